"""What is known of the work in hand: one mutable object per request or task, found by context variable."""

from __future__ import annotations

from contextvars import ContextVar
from time import time_ns
from types import MappingProxyType
from typing import TYPE_CHECKING

from otel_distro.guard import FAULT, report
from otel_distro.semconv.attributes import REQUEST_ID, TENANT_ID, USER_TIER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GRACE_NS = 30 * 10**9
"""How long after its end a request's context still applies to what it left running (design decision 9)."""

_MAX_VALUE = 256
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Work:
    """One request's or task's context. `fields` is replaced, never changed, so that records may refer to it."""

    __slots__ = ("ended_ns", "fields")

    def __init__(self, fields: dict[str, str] | None = None) -> None:
        self.fields: Mapping[str, str] = fields or {}
        self.ended_ns = 0

    @property
    def request_id(self) -> str | None:
        """The request's id, when it has one."""
        return self.fields.get(REQUEST_ID.key)

    def add(self, fields: Mapping[str, str]) -> None:
        """Add fields; records made before keep what they had."""
        self.fields = {**self.fields, **fields}

    def end(self, now_ns: int) -> None:
        """Say that the request or task is over at this time (`time_ns`)."""
        self.ended_ns = now_ns


CURRENT: ContextVar[Work | None] = ContextVar("otel_distro.work", default=None)
"""The work in hand. Instrumentation sets it; threads and tasks inherit it with their context."""


def current_fields(now_ns: int) -> Mapping[str, str]:
    """Fields of the work in hand; empty outside of any, and 30 s after its end."""
    work = CURRENT.get()
    if work is None or (work.ended_ns and now_ns - work.ended_ns > GRACE_NS):
        return _NOTHING
    return work.fields


def request_id() -> str | None:
    """The id of the request (or of the request that caused the task) in hand."""
    return current_fields(time_ns()).get(REQUEST_ID.key)


def bind(*, user: object = None, session: object = None, tier: str | None = None, tenant: str | None = None) -> None:
    """Say who the work in hand is for; user and session are recorded as keyed hashes unless set otherwise.

    From here on every log record, and the root span, carries it. Outside of a request it holds for the current context.
    """
    try:
        _bind(user, session, tier, tenant)
    except FAULT as fault:
        report("context.bind", fault)


def _bind(user: object, session: object, tier: str | None, tenant: str | None) -> None:
    fields: dict[str, str] = {}
    if user is not None:
        fields.update(_identity.pseudonym("user", str(user)))
    if session is not None:
        fields.update(_identity.pseudonym("session", str(session)))
    if tier is not None:
        fields[USER_TIER.key] = str(tier)[:_MAX_VALUE]
    if tenant is not None:
        fields[TENANT_ID.key] = str(tenant)[:_MAX_VALUE]
    work = CURRENT.get()
    if work is None:
        CURRENT.set(Work(fields))
    else:
        work.add(fields)


class _Identity:
    """Settings and hashes are loaded when somebody is bound, not before."""

    __slots__ = ("pseudonym",)

    def __init__(self) -> None:
        self.pseudonym: Callable[[str, str], dict[str, str]] = self._load

    def _load(self, kind: str, value: str) -> dict[str, str]:
        from otel_distro.context.identity import pseudonym

        self.pseudonym = pseudonym
        return pseudonym(kind, value)


_identity = _Identity()
