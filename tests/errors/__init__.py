"""Errors: recorded once, with a stack that costs little."""
