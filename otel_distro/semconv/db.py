"""Databases (OpenTelemetry's stable database conventions; connection pools by its development ones)."""

from __future__ import annotations

from otel_distro.semconv._model import (
    DURATION_BUCKETS,
    Attribute,
    Event,
    Instrument,
    Kind,
    Metric,
    Source,
    Span,
)
from otel_distro.semconv.attributes import ERROR_TYPE, EXEMPLAR, SERVER_ADDRESS, SERVER_PORT

SCOPE = "otel_distro.sqlalchemy"

SYSTEM = Attribute("db.system.name", "Which database", bound="SQLAlchemy dialects")
NAMESPACE = Attribute("db.namespace", "Database name", bound="databases of the app")
OPERATION = Attribute(
    "db.operation.name",
    "SELECT, INSERT, ...; BATCH before it when it is an executemany",
    bound="SQL keywords",
)
COLLECTION = Attribute("db.collection.name", "The table, when the statement has one", bound="tables of the app")
SUMMARY = Attribute("db.query.summary", "Operation and tables, low cardinality", bound="statements of the app")
TEXT = Attribute("db.query.text", "The statement with literals replaced by ?", sensitive=True)
BATCH_SIZE = Attribute("db.operation.batch.size", "Parameter sets of an executemany, from two on")
ROWS = Attribute("db.response.returned_rows", "Rows returned, when the driver says before they are fetched")
AFFECTED_ROWS = Attribute("db.response.affected_rows", "Rows inserted, updated or deleted, when the driver says")
RESPONSE_STATUS = Attribute("db.response.status_code", "SQLSTATE or the driver's error code")
SLOW = Attribute("db.query.slow", "The query took longer than OTEL_DISTRO_SLOW_QUERY_MS")
POOL_NAME = Attribute("db.client.connection.pool.name", "Which pool", bound="engines of the app")
STATE = Attribute("db.client.connection.state", "State of the connections", values=("idle", "used"))
OUTCOME = Attribute("db.transaction.outcome", "How the transaction ended", values=("commit", "rollback"))
DURATION_MS = Attribute("duration_ms", "How long it took, in milliseconds")

OPERATION_DURATION = Metric(
    "db.client.operation.duration",
    Instrument.HISTOGRAM,
    "s",
    "Duration of database operations",
    (SYSTEM, NAMESPACE, OPERATION, COLLECTION, SERVER_ADDRESS, SERVER_PORT, ERROR_TYPE),
    DURATION_BUCKETS,
    Source(SCOPE, Kind.CLIENT),
)
TRANSACTIONS = Metric(
    "db.client.transactions",
    Instrument.COUNTER,
    "{transaction}",
    "Transactions committed or rolled back",
    (SYSTEM, NAMESPACE, OUTCOME),
)
SLOW_QUERIES = Metric(
    "db.client.slow_queries",
    Instrument.COUNTER,
    "{query}",
    "Queries slower than OTEL_DISTRO_SLOW_QUERY_MS",
    (SYSTEM, NAMESPACE, OPERATION, COLLECTION),
)


def _pool(name: str, instrument: Instrument, unit: str, brief: str, *, observable: bool = True) -> Metric:
    histogram = instrument is Instrument.HISTOGRAM
    return Metric(
        name,
        instrument,
        unit,
        brief,
        (POOL_NAME,),
        DURATION_BUCKETS if histogram else (),
        observable=observable,
    )


CONNECTION_COUNT = Metric(
    "db.client.connection.count",
    Instrument.UPDOWNCOUNTER,
    "{connection}",
    "Connections of the pool by state",
    (POOL_NAME, STATE),
    observable=True,
)
CONNECTION_MAX = _pool(
    "db.client.connection.max", Instrument.UPDOWNCOUNTER, "{connection}", "Most connections the pool may open"
)
CONNECTION_IDLE_MAX = _pool(
    "db.client.connection.idle.max",
    Instrument.UPDOWNCOUNTER,
    "{connection}",
    "Most idle connections the pool keeps",
)
CONNECTION_PENDING = _pool(
    "db.client.connection.pending_requests",
    Instrument.UPDOWNCOUNTER,
    "{request}",
    "Requests waiting for a connection now",
)
CONNECTION_TIMEOUTS = _pool(
    "db.client.connection.timeouts",
    Instrument.COUNTER,
    "{timeout}",
    "Requests that gave up waiting for a connection",
    observable=False,
)
CONNECTION_WAIT_TIME = _pool(
    "db.client.connection.wait_time",
    Instrument.HISTOGRAM,
    "s",
    "Time until the pool gave a connection",
    observable=False,
)
CONNECTION_USE_TIME = _pool(
    "db.client.connection.use_time",
    Instrument.HISTOGRAM,
    "s",
    "Time a connection was borrowed",
    observable=False,
)
CONNECTION_CREATE_TIME = _pool(
    "db.client.connection.create_time",
    Instrument.HISTOGRAM,
    "s",
    "Time to open a connection",
    observable=False,
)
METRICS = (
    OPERATION_DURATION,
    TRANSACTIONS,
    SLOW_QUERIES,
    CONNECTION_COUNT,
    CONNECTION_MAX,
    CONNECTION_IDLE_MAX,
    CONNECTION_PENDING,
    CONNECTION_TIMEOUTS,
    CONNECTION_WAIT_TIME,
    CONNECTION_USE_TIME,
    CONNECTION_CREATE_TIME,
)
SPANS = (
    Span(
        SCOPE,
        Kind.CLIENT,
        "{summary}",
        "One statement",
        (
            SYSTEM,
            NAMESPACE,
            OPERATION,
            COLLECTION,
            SUMMARY,
            TEXT,
            BATCH_SIZE,
            ROWS,
            AFFECTED_ROWS,
            RESPONSE_STATUS,
            SLOW,
            SERVER_ADDRESS,
            SERVER_PORT,
            ERROR_TYPE,
            EXEMPLAR,
        ),
    ),
)
SLOW_QUERY = Event(
    "db.client.slow_query",
    "A query slower than OTEL_DISTRO_SLOW_QUERY_MS, at WARNING",
    (SYSTEM, NAMESPACE, SUMMARY, TEXT, DURATION_MS),
)
EVENTS = (SLOW_QUERY,)
