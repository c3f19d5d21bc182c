"""The public types, as an application's type checker sees them: mypy reads this, nothing runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import otel_distro

if TYPE_CHECKING:
    from uuid import UUID


def version() -> str:
    """The version is text."""
    return otel_distro.__version__


def who(user_id: int, session: UUID) -> None:
    """Users and sessions may be any object; tier and tenant are text; each may be left out."""
    otel_distro.bind()
    otel_distro.bind(user=user_id, session=session)
    otel_distro.bind(user="ada", tier="paid", tenant="acme")
    otel_distro.bind(tier=None, tenant=None)


def by_position() -> None:
    """What is bound is always named."""
    otel_distro.bind("ada")  # type: ignore[call-arg]


def a_number_is_no_tier() -> None:
    """Values that become labels are text."""
    otel_distro.bind(tier=3)  # type: ignore[arg-type]


def answer() -> dict[str, str | None]:
    """Outside of a request there is no id."""
    return {"request_id": otel_distro.request_id()}
