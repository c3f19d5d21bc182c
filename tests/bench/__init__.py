"""The benchmark: its arithmetic, its sink and its load."""
