"""The accuracy benchmark: the same snapshots for our models and for everybody else's."""
