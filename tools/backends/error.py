"""The one error of this tool."""

from __future__ import annotations


class BackendError(Exception):
    """A server that the tests need can't be had; the message says which and why."""
