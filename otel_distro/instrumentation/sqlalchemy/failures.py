"""What a driver's exception says: its class in SQLAlchemy's terms, and the database's own code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_distro.errors.exception import exception_type

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

_CLASSES = frozenset(
    (
        "DataError",
        "DatabaseError",
        "IntegrityError",
        "InterfaceError",
        "InternalError",
        "NotSupportedError",
        "OperationalError",
        "ProgrammingError",
    )
)

_SQLSTATE_LENGTH = 5
_NAMED = ("sqlstate", "pgcode", "sqlite_errorname", "sqlite_errorcode")
"""Of psycopg, asyncpg and mysql-connector; of psycopg2; of sqlite3 from Python 3.11 on."""


def error_type(error: BaseException, dialect: Dialect) -> str:
    """The class of the exception that SQLAlchemy raises for the driver's; of any other, its own."""
    if isinstance(error, dialect.loaded_dbapi.Error):
        for kind in type(error).__mro__:
            name = dialect.dbapi_exception_translation_map.get(kind.__name__, kind.__name__)
            if name in _CLASSES:
                return f"sqlalchemy.exc.{name}"
    return exception_type(error)


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
