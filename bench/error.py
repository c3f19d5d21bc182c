"""The one error of the benchmark."""

from __future__ import annotations


class BenchError(Exception):
    """The benchmark can't be run, or something it measures did not do its work; the message says what."""
