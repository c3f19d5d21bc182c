"""What is read of a statement's text."""

from __future__ import annotations

from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_distro.instrumentation.sqlalchemy.statement import MAX_READ, read
from otel_distro.instrumentation.sqlalchemy.summary import MAX_LENGTH

SUMMARIES = {
    "SELECT * FROM wuser_table WHERE username = 'bob'": "SELECT wuser_table",
    "INSERT INTO ship (order_id, address) SELECT order_id, address FROM orders": "INSERT ship SELECT orders",
    "SELECT * FROM songs, artists WHERE songs.artist_id = artists.id": "SELECT songs artists",
    "SELECT d FROM (SELECT * FROM orders o JOIN customers c ON o.id = c.id)": "SELECT SELECT orders customers",
    "SELECT * FROM a LEFT OUTER JOIN (b JOIN c ON b.x = c.x) ON a.x = b.x": "SELECT a b c",
    "SELECT * FROM a, a AS other, b": "SELECT a b",
    "SELECT EXTRACT(year FROM at) FROM orders WHERE a IS DISTINCT FROM b FOR UPDATE": "SELECT orders",
    "SELECT * FROM generate_series(1, 10) AS g": "SELECT",
    "SELECT * FROM a WHERE x = (SELECT max(y) FROM b)": "SELECT a SELECT b",
    "WITH x AS (SELECT * FROM orders), y(a) AS (SELECT 1) SELECT * FROM x JOIN y ON true": "SELECT orders",
    "WITH x AS (SELECT * FROM a) INSERT INTO b SELECT * FROM x": "SELECT a INSERT b",
    "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 3": "INSERT t",
    'UPDATE "public"."orders" SET total = 1': "UPDATE public.orders",
    "delete from only shop.orders": "DELETE shop.orders",
    "MERGE INTO a USING b ON a.i = b.i WHEN MATCHED THEN UPDATE SET x = 1": "MERGE a b",
    "CREATE TABLE IF NOT EXISTS orders (id INT REFERENCES u (id) ON DELETE CASCADE)": "CREATE TABLE orders",
    "CREATE UNIQUE INDEX ix_orders ON orders (id)": "CREATE INDEX ix_orders",
    "DROP TABLE orders, items": "DROP TABLE orders",
    "TRUNCATE TABLE a, b": "TRUNCATE a b",
    "CALL do_it(1)": "CALL do_it",
    "EXPLAIN ANALYZE SELECT * FROM a": "EXPLAIN SELECT a",
    "(SELECT a FROM x) UNION (SELECT b FROM y)": "SELECT x SELECT y",
    "SAVEPOINT sa_savepoint_1": "SAVEPOINT",
    "/* by 'me' */ select 1 -- from nowhere": "SELECT",
    "SELECT 1; DELETE FROM x": "SELECT DELETE x",
    "gibberish from here": "",
    "": "",
}


@pytest.mark.parametrize("statement", SUMMARIES)
def test_summary(statement: str) -> None:
    """The summary has each operation with its tables, in their order."""
    assert read(statement, "postgresql").summary == SUMMARIES[statement]


@pytest.mark.parametrize(
    ("dialect", "statement", "text"),
    [
        ("sqlite", "SELECT 'it''s', 1.5e-3, 0xFF, x'00', col1 FROM t2", "SELECT ?, ?, ?, ?, col1 FROM t2"),
        ("postgresql", "SELECT E'it\\'s', $$a'b$$, $x$ $$ $x$, $1", "SELECT ?, ?, ?, $1"),
        (
            "postgresql",
            "SELECT a::int, b\n  FROM t -- 'x'\n WHERE /* '*/ c = -1",
            "SELECT a::int, b FROM t WHERE c = -?",
        ),
        ("postgresql", "SELECT * FROM t WHERE a IN (1, 2, 3)", "SELECT * FROM t WHERE a IN (?)"),
        ("postgresql", "SELECT a IN ($1::INTEGER, $2::INTEGER)", "SELECT a IN (?)"),
        ("postgresql", "VALUES (%(a__0)s, 1), (%(a__1)s, 2)", "VALUES (%(a__0)s, ?)"),
        ("sqlite", 'SELECT * FROM "users" WHERE e = "a@b.c"', 'SELECT * FROM "users" WHERE e = ?'),
        ("mysql", "SELECT \"a\\\"b\", 'c\\'d' FROM `t` # 'x", "SELECT ?, ? FROM `t`"),
        (
            "mssql",
            "SELECT [a b], N'x' FROM [dbo].[t] WHERE c = @P1",
            "SELECT [a b], ? FROM [dbo].[t] WHERE c = @P1",
        ),
        ("oracle", "SELECT q'[it's]', :a_1 FROM dual", "SELECT ?, :a_1 FROM dual"),
        ("sqlite", "SELECT 'never closed", "SELECT ?"),
    ],
)
def test_text(dialect: str, statement: str, text: str) -> None:
    """Literals and comments are gone from the text, in the dialect's own quoting; names and placeholders stay."""
    assert read(statement, dialect).text == text


def test_one_table_is_the_collection() -> None:
    """The collection is the statement's table when it has exactly one, and never an index."""
    found = [read(s, "sqlite").collection for s in ("SELECT 1 FROM a", "SELECT 1 FROM a, b", "DROP INDEX i")]
    assert found == ["a", None, None]


def test_a_long_statement_is_cut() -> None:
    """Of a long statement only the beginning is read, and the summary stays short."""
    tables = ", ".join(f"table_{n}" for n in range(2000))
    said = read(f"SELECT * FROM {tables}", "sqlite")
    assert (len(said.text) <= MAX_READ + 4, said.text[-4:], len(said.summary) <= MAX_LENGTH) == (
        True,
        " ...",
        True,
    )


@given(
    st.text(alphabet="'\"`$abE\\()[]-/*,. ;%:?1\n", max_size=300),
    st.sampled_from(["postgresql", "mysql", "oracle", "mssql"]),
)
def test_any_text_is_read(statement: str, dialect: str) -> None:
    """Whatever the text, reading it ends without an error."""
    assert len(read(statement, dialect).summary) <= MAX_LENGTH


@given(st.text(alphabet=st.characters(exclude_characters="'\\", exclude_categories=["Cs"]), min_size=1))
def test_no_secret_survives(secret: str) -> None:
    """What stands between single quotes is not in the text."""
    secret = f"s3cret{secret}"
    assert "s3cret" not in read(f"SELECT * FROM t WHERE a = '{secret}' AND b = 1", "postgresql").text


@pytest.mark.parametrize("unit", ["'", "(", "/*", "$a$", "?,", "a.", "VALUES (?),", "\\", "E'\\", "%(", " ", "1"])
@pytest.mark.parametrize("before", ["", "IN (", "SELECT ", "q'["])
def test_reading_is_linear(unit: str, before: str) -> None:
    """Eight times the text takes no more than about eight times the CPU (a square would be 64 times)."""
    full = before + unit * MAX_READ
    assert cpu(full[:MAX_READ]) < 3 * 8 * cpu(full[: MAX_READ // 8])


def cpu(statement: str) -> float:
    """The least CPU of some readings in all dialects: what else the machine does is not in it."""
    found = []
    for _ in range(5):
        start = thread_time()
        for dialect in ("postgresql", "mysql", "oracle", "mssql"):
            read(statement, dialect)
        found.append(thread_time() - start)
    return min(found)
