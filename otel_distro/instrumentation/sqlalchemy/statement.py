"""What a statement says: its text without literals, what it does to which tables. Linear in its length."""

from __future__ import annotations

import re
from typing import NamedTuple

from otel_distro.instrumentation.sqlalchemy.summary import Summary

MAX_READ = 4096
"""Characters of a statement that are read; what comes after is not told apart."""

_SPACE = r"(?P<space>(?:\s+|--[^\n]*|/\*.*?(?:\*/|\Z){hash})+)"
_PLAIN = r"(?:[nNbBxX]|[uU]&)?'[^']*(?:''[^']*)*'?"
_ESCAPED = r"'[^'\\]*(?:(?:\\.|'')[^'\\]*)*(?:'|\\?\Z)"
_ESCAPED_DOUBLE = r'"[^"\\]*(?:(?:\\.|"")[^"\\]*)*(?:"|\\?\Z)'
_DOLLAR = r"\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?(?:\$(?P=tag)\$|\Z)"
_BRACKETED = (
    r"[nN]?[qQ]'(?:\[.*?(?:\]'|\Z)|\{.*?(?:\}'|\Z)|\(.*?(?:\)'|\Z)|<.*?(?:>'|\Z)|"
    r"(?P<delimiter>\S).*?(?:(?P=delimiter)'|\Z))"
)
_NUMBER = r"(?:\d[\w.]*|\.\d\w*)(?:(?<=[eE])[+-]\d+)?"
_PLACEHOLDER = r"(?P<placeholder>%\(\w*\)s|%s|\$\d+|@\w+|(?<!:):\w+)"
_QUOTED = r'(?P<quoted>"[^"]*(?:""[^"]*)*"?|`[^`]*`?)'
_REST = r"(?P<word>[^\W\d][\w$#]*)|(?P<mark>::|.)"

_DOUBLE_QUOTED_STRINGS = frozenset(("mysql", "mariadb", "bigquery", "databricks", "hive", "spark", "starrocks"))
_BACKSLASHES = _DOUBLE_QUOTED_STRINGS | {"clickhouse", "snowflake"}
_IDENTIFIER = re.compile(r"[\w$#. -]*")

_ONE = r"(?:\?|%s|\$\d+|[:@]\w+|%\(\w+\)s)(?:::\w+(?: \w+)*)?"
_IN = re.compile(rf"\b(IN) ?\( ?{_ONE}(?: ?, ?{_ONE})* ?(?:\)|\Z)", re.IGNORECASE)
_ROW = r"\([^()%]*(?:%(?:\(\w+\)s)?[^()%]*)*(?:\)|\Z)"
_ROWS = re.compile(rf"\b(VALUES ?{_ROW})(?: ?, ?{_ROW})+", re.IGNORECASE)


class Statement(NamedTuple):
    """A statement as telemetry shows it."""

    text: str
    summary: str
    operation: str | None
    collection: str | None
    writes: bool
    """Whether a rollback after it takes anything back."""


def _pattern(dialect: str) -> re.Pattern[str]:
    literals = [_ESCAPED if dialect in _BACKSLASHES else rf"[eE]{_ESCAPED}", _PLAIN, _DOLLAR, _NUMBER]
    if dialect in _DOUBLE_QUOTED_STRINGS:
        literals.insert(0, _ESCAPED_DOUBLE)
    if dialect == "oracle":
        literals.insert(0, _BRACKETED)
    quoted = _QUOTED.replace("(?P<quoted>", r"(?P<quoted>\[[^\]]*\]?|") if dialect == "mssql" else _QUOTED
    space = _SPACE.replace("{hash}", r"|\#[^\n]*" if dialect in {"mysql", "mariadb"} else "")
    return re.compile("|".join((space, f"(?P<literal>{'|'.join(literals)})", _PLACEHOLDER, quoted, _REST)), re.DOTALL)


_SHOWN = {"space": " ", "literal": "?"}
_patterns: dict[str, re.Pattern[str]] = {}


def read(statement: str, dialect: str) -> Statement:
    """Read a statement of SQLAlchemy's dialect of this name."""
    pattern = _patterns.get(dialect)
    if pattern is None:
        pattern = _patterns.setdefault(dialect, _pattern(dialect))
    summary = Summary()
    parts = []
    for match in pattern.finditer(statement[:MAX_READ]):
        kind, token = str(match.lastgroup), match.group()
        if kind == "quoted" and not _IDENTIFIER.fullmatch(token[1:-1]):
            kind = "literal"
        token = _SHOWN.get(kind, token)
        if kind == "word":
            summary.word(token)
        elif kind != "space":
            summary.other(token, quoted=kind == "quoted")
        parts.append(token)
    text = _ROWS.sub(r"\1", _IN.sub(r"\1 (?)", "".join(parts).strip()))
    if len(statement) > MAX_READ:
        text += " ..."
    return Statement(text, summary.text(), summary.main, summary.collection(), summary.writes())
