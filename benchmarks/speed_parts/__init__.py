"""The parts of ``benchmarks/speed.py``: one comparison each, of the same work on the same data."""
