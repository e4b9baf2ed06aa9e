"""From the user's files to clean canonical tables."""
