"""Personal data: keyed hashes of ids, who must not come back, what is removed, and the proof that it is gone."""
