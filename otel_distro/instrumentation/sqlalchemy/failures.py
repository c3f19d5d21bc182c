"""The database's own code of a failure, as the many drivers carry it."""

from __future__ import annotations

_SQLSTATE_LENGTH = 5
_NAMED = ("sqlstate", "pgcode", "sqlite_errorname", "sqlite_errorcode")
"""Of psycopg, asyncpg and mysql-connector; of psycopg2; of sqlite3 from Python 3.11 on."""


def response_status(error: BaseException) -> str | None:
    """SQLSTATE, or what the driver has in its place; None when it has neither."""
    for name in _NAMED:
        value = getattr(error, name, None)
        if value:
            return str(value)
    first = error.args[0] if error.args else None
    code = getattr(first, "full_code", None)  # oracledb
    if code:
        return str(code)
    if type(first) is int:  # the MySQL drivers
        return str(first)
    if isinstance(first, str) and len(first) == _SQLSTATE_LENGTH and first.isalnum():  # pyodbc
        return first
    return None
