"""Models of churn and value, their judgement, and the bundle that carries them."""
