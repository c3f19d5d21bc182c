"""What our functions remember of earlier calls: forgotten, so that those which run once only run again."""

from __future__ import annotations

import gc
from functools import _lru_cache_wrapper
from typing import Any

from otel_distro.context import work
from otel_distro.errors import record, stack
from otel_distro.headers import HeaderCapture
from otel_distro.instrumentation.asgi.inbound import Inbound
from otel_distro.instrumentation.logging import stdlib
from otel_distro.instrumentation.sqlalchemy.database import Database

_KINDS = (_lru_cache_wrapper, HeaderCapture, Inbound, Database)


class Memory:
    """All that remembers, found once."""

    def __init__(self) -> None:
        self._found = [one for one in gc.get_objects() if issubclass(type(one), _KINDS) and _is_ours(one)]

    def forget(self) -> None:
        """Remember nothing."""
        record.forget()
        stack._known.clear()
        stdlib._places.clear()
        work._identity.pseudonym = work._identity._load
        for one in self._found:
            if isinstance(one, _lru_cache_wrapper):
                one.cache_clear()
            elif isinstance(one, HeaderCapture):
                one._known.clear()
            elif isinstance(one, Database):
                one._statements.clear()
                one._batches.clear()
            elif isinstance(one, Inbound):
                one._repeated.clear()
                one._textmap = None


def _is_ours(one: Any) -> bool:
    return str(one.__module__).startswith("otel_distro")
