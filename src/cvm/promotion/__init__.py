"""Which model is in use: a challenger against the champion, the decision, and the way back."""
