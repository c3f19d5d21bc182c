"""A problem: what is wrong, and with what."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """Something to mend; `about` is the part of the report that it belongs to."""

    about: str
    text: str
