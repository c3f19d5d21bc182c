"""The database's own code, of exceptions as the drivers raise them."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from otel_distro.instrumentation.sqlalchemy.failures import response_status


class DriverError(Exception):
    """What a driver raises."""

    pgcode: str | None = None


def psycopg2_error() -> DriverError:
    """A failure as psycopg2 tells it."""
    error = DriverError("duplicate key")
    error.pgcode = "23505"
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (psycopg2_error(), "23505"),
        (DriverError(1062, "Duplicate entry 'x' for key"), "1062"),
        (DriverError("23000", "[23000] Violation of UNIQUE KEY"), "23000"),
        (DriverError(SimpleNamespace(full_code="ORA-00001")), "ORA-00001"),
        (DriverError("the value secret is too long"), None),
        (DriverError(), None),
    ],
    ids=["psycopg2", "mysql", "pyodbc", "oracledb", "text", "nothing"],
)
def test_the_code_of_each_driver(error: DriverError, code: str | None) -> None:
    """SQLSTATE or the driver's own code is found where the driver keeps it; a message is never taken for one."""
    assert response_status(error) == code
