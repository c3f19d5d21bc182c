"""Errors: each recorded once."""
