"""Results as tables in the user's own database."""
