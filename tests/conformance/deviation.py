"""The deliberate deviations from upstream: each is a decision, and what it means for upstream's tests.

The decisions are those of docs/decisions/0003-departures-from-upstream.md, which names each.
"""

from __future__ import annotations

DEVIATIONS: dict[str, str] = {
    "current-names": (
        "Only the current names and units of the semantic conventions, never the old ones or both; span names, header"
        " names (with dashes), fully qualified error types and the attributes that stable conventions ask for go by"
        " them, too. The test asks for others, or for the URL of a schema."
    ),
    "derived-metrics": (
        "A request, query or task is observed once: its metrics are derived by the pipeline from the ended spans, under"
        " the pipeline's scope. The test looks for instruments of the instrumentation's own scope, or for metrics of"
        " what has no span."
    ),
    "exceptions-are-logs": (
        "An exception is recorded once, as a log record with its stack; the span has the status and `error.type`, but"
        " no event and no text in its status, because messages may hold values."
    ),
    "exit": (
        "The provider registers no `atexit` handler: the pipeline has one end for all signals, within one deadline, on"
        " exit, SIGTERM and in forked children."
    ),
    "no-connect-spans": (
        "A span per statement; that a connection is opened is a metric and no span. The test counts one more, or looks"
        " at it first."
    ),
    "no-message-spans": (
        "One server span per request or connection: a message that is received or sent has none. The test counts them,"
        " or looks at them first; hooks for messages get the server span."
    ),
    "pools-as-they-are": (
        "The state of a connection pool is observed as it is, for every pool that is used, also of what was used where"
        " instrumentation is suppressed."
    ),
    "records-not-handlers": (
        "Log records are taken where `logging` itself passes them, so that `dictConfig` and Celery can't throw them"
        " away; no handler is put on the root logger, and the place in the code is always recorded. The test looks for"
        " upstream's handler, or for its options."
    ),
    "response-ids": (
        "Every response says which request it belongs to: `X-Request-ID`, `X-Correlation-ID` and `Server-Timing`; that"
        " of a WebSocket in the answer to its handshake. The test compares all headers, or expects them in messages."
    ),
    "sdk-internals": (
        "The test puts a mock in the place of a private class of the SDK (its measurement consumer) and looks what the"
        " provider calls; ours has a consumer of its own, which adds the derived metrics and the cardinality limit."
        " What a reader gets is the same."
    ),
    "unsteady": "Not compared: the outcome is by chance, with either.",
    "upstream-internals": (
        "Of upstream's instrumentors ours keeps calls, arguments, hooks and variables, no undocumented state: the test"
        " looks at the instrumentor's `metrics` or `task_id_to_start_time`, or for a `wrapt` proxy around a transport's"
        " method."
    ),
}
"""By name, as `differences/*.txt` have it."""
