"""The summary of a statement: each operation and its tables, in their order, from the statement's words."""

from __future__ import annotations

MAX_LENGTH = 255
"""Characters of a summary; it ends before the table that would exceed them."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NESTED = _words("SELECT INSERT UPDATE DELETE MERGE")
_DEFINITIONS = _words("CREATE DROP ALTER REFRESH COMMENT")
_ON_A_TABLE = _words("INSERT UPDATE MERGE REPLACE TRUNCATE COPY LOCK CALL EXEC EXECUTE")
_READS = _words(
    "SELECT VALUES SHOW DESCRIBE DESC EXPLAIN PRAGMA SET RESET USE BEGIN START COMMIT ROLLBACK SAVEPOINT "
    "RELEASE DECLARE FETCH CLOSE LISTEN UNLISTEN"
)
_OTHERS = _words("ANALYZE ATTACH DETACH GRANT REVOKE NOTIFY PREPARE REINDEX VACUUM")
OPERATIONS = _NESTED | _DEFINITIONS | _ON_A_TABLE | _READS | _OTHERS
"""First words that name an operation; a statement that begins with another word has none."""

_OBJECTS = _words(
    "TABLE INDEX VIEW SEQUENCE TYPE SCHEMA DATABASE FUNCTION PROCEDURE TRIGGER EXTENSION DOMAIN ROLE USER"
)
_NOT_AN_OPERATION_AFTER = _words("FOR KEY DO ON THEN")
_BEFORE_TABLES = _words("FROM JOIN USING")
_SKIPPED = _words(
    "ONLY LATERAL IF NOT EXISTS INTO IGNORE OR REPLACE ABORT FAIL ROLLBACK TABLE LOW_PRIORITY DELAYED "
    "HIGH_PRIORITY QUICK CONCURRENTLY OVERWRITE ON"
)
_ENDS_OF_TABLES = _words(
    "WHERE SET GROUP ORDER HAVING LIMIT OFFSET FETCH UNION EXCEPT INTERSECT VALUES RETURNING WINDOW FOR"
)


class _Level:
    """One depth of parentheses."""

    __slots__ = ("defines", "name", "queries", "tables")

    def __init__(self, *, queries: bool = False) -> None:
        self.queries = queries
        """An operation began here, so FROM and JOIN are followed by tables."""
        self.tables = False
        """A comma is followed by another table."""
        self.defines = False
        """Between WITH and the operation that it belongs to."""
        self.name = ""
        """The last name, which `AS` makes that of a common table expression."""


class Summary:
    """Reads words and other tokens, one after the other."""

    def __init__(self) -> None:
        self.main: str | None = None
        self._operations: list[tuple[str, list[str]]] = []
        self._levels = [_Level()]
        self._before = ""
        self._begun = False
        self._expecting = False
        self._object = False
        self._other_object = False
        self._joining = False
        self._target: str | None = None
        """What led to the table whose name was the last token, while it may go on."""
        self._defined: set[str] = set()

    # -- the results

    def text(self) -> str:
        """The summary; a nested operation that adds no table is left out."""
        text = ""
        for place, (operation, tables) in enumerate(self._operations):
            if place and not tables and operation == "SELECT":
                continue
            for part in (operation, *dict.fromkeys(tables)):
                if len(text) + len(part) >= MAX_LENGTH:
                    return text
                text += f" {part}" if text else part
        return text

    def collection(self) -> str | None:
        """The table, when there is exactly one."""
        tables = {table for _, found in self._operations for table in found}
        return tables.pop()[:MAX_LENGTH] if len(tables) == 1 and not self._other_object else None

    def writes(self) -> bool:
        """Whether any operation does more than read."""
        return any(operation not in _READS for operation, _ in self._operations) or not self._operations

    # -- the tokens

    def word(self, word: str) -> None:
        """Read an unquoted word."""
        upper = word.upper()
        if self._joining:
            self._extend(word)
        elif not self._keyword(upper):
            self._name(word)
        self._before = upper

    def other(self, token: str, *, quoted: bool) -> None:
        """Read anything else: a quoted name, a placeholder, a mark."""
        if quoted:
            self._quoted(token[1:-1] if len(token) > 1 else token)
        elif token == "(":  # noqa: S105 - a parenthesis
            self._open()
        elif token == ")":  # noqa: S105 - a parenthesis
            if len(self._levels) > 1:
                self._levels.pop()
            self._expecting, self._target = False, None
        elif token == ".":  # noqa: S105 - a dot
            self._joining = self._target is not None
        else:
            self._mark(token)
        self._before = token

    def _mark(self, token: str) -> None:
        self._target = None
        if token == ",":  # noqa: S105 - a comma
            self._expecting = self._levels[-1].tables
        elif token == ";":  # noqa: S105 - a semicolon
            self._levels, self._begun, self._expecting, self._object = [_Level()], False, False, False

    def _quoted(self, name: str) -> None:
        if self._joining:
            self._extend(name)
        else:
            self._name(name)

    def _open(self) -> None:
        if self._target in _BEFORE_TABLES:  # a function that returns rows
            self._operations[-1][1].pop()
        self._target = None
        self._levels.append(_Level(queries=self._expecting))

    def _extend(self, name: str) -> None:
        self._joining = False
        self._operations[-1][1][-1] += f".{name}"

    def _name(self, name: str) -> None:
        self._target = None
        if self._expecting and self._operations and not name.startswith("?"):
            self._expecting = False
            if name.lower() not in self._defined:
                self._operations[-1][1].append(name)
                self._target = self._before if self._before in _BEFORE_TABLES else ","
        else:
            self._levels[-1].name = name

    # -- the keywords

    def _keyword(self, word: str) -> bool:
        level = self._levels[-1]
        if not self._begun or word in _NESTED:
            return self._begin(word, level)
        if self._object and word in _OBJECTS:
            self._define(word)
        elif word in _BEFORE_TABLES:
            return self._list(word, level)
        elif word in _ENDS_OF_TABLES:
            level.tables = self._expecting = False
        elif word == "AS":
            if level.defines:
                self._defined.add(level.name.lower())
            self._target = None
        else:
            return self._within(word, level)
        return True

    def _within(self, word: str, level: _Level) -> bool:
        """Words that matter only at certain places."""
        if self._expecting:
            return word in _SKIPPED
        if word == "INTO":
            self._expecting = level.queries
        elif word == "WITH" and self._before in {"(", "EXPLAIN", "ANALYZE"}:
            level.defines = True
        else:
            return word == "RECURSIVE"
        return True

    def _begin(self, word: str, level: _Level) -> bool:
        if self._before in _NOT_AN_OPERATION_AFTER:
            return True
        if word == "WITH" and not self._begun:
            self._begun = level.defines = True
            return True
        if word not in OPERATIONS:
            self._begun = self._begun or word.isalnum()
            return False
        if (self.main is None and len(self._levels) == 1) or not self._begun:
            self.main = self.main or word
        self._begun, level.defines, level.queries = True, False, True
        self._operations.append((word, []))
        self._object = word in _DEFINITIONS
        self._expecting = word in _ON_A_TABLE
        level.tables = word in {"UPDATE", "TRUNCATE"}
        return True

    def _define(self, word: str) -> None:
        operation, tables = self._operations[-1]
        self._operations[-1] = (f"{operation} {word}", tables)
        self._object, self._expecting = False, True
        self._other_object = word not in {"TABLE", "VIEW"}

    def _list(self, word: str, level: _Level) -> bool:
        self._target = None
        if level.queries and not self._expecting and self._before != "DISTINCT":
            self._expecting = True
            level.tables = level.tables or word != "JOIN"
        return True
