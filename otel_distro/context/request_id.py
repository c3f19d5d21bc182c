"""Request ids: which incoming ones are taken, and which headers carry them."""

from __future__ import annotations

import re

HEADERS_IN = (b"x-request-id", b"x-correlation-id")
"""Where an id may come from, in order of preference."""
HEADERS_OUT = (b"x-request-id", b"x-correlation-id")
"""What a response carries, each with the request's id."""

_VALID = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}\Z")


def accept(value: bytes) -> str | None:
    """The id as text; None when it is empty, over 128 characters, or has any other than A-Z a-z 0-9 . _ : / + = @ -."""
    return value.decode("ascii") if _VALID.match(value) else None
