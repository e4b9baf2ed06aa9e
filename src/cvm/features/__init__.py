"""Point-in-time features and outcomes, declared in a catalogue and computed in SQL."""
