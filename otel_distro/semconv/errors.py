"""Errors: what tells one from another, and how often each happens."""

from __future__ import annotations

from otel_distro.semconv._model import Attribute, Event, Instrument, Metric
from otel_distro.semconv.attributes import ERROR_TYPE, EXCEPTION

OTHER = "_OTHER"
"""The fingerprint under which a process counts those beyond its first hundred."""

FINGERPRINT = Attribute(
    "issue.fingerprint",
    "The same for the same defect, whatever the request, release or line: by type and the app's own source text",
    bound="the first hundred defects of a process, then `_OTHER`",
)
TITLE = Attribute("issue.title", "Type and place of the error, or the group that a rule has put it in")
HANDLED = Attribute("issue.handled", "Whether the app itself caught it", values=("true", "false"))
FRAMES = Attribute("issue.in_app", "The app's own frames of the stack (module.function), the outermost first")
SUPPRESSED = Attribute(
    "issue.suppressed", "How often this error came since the last record with a stack, without one (a limit of stacks)"
)
BREADCRUMBS = Attribute(
    "issue.breadcrumbs",
    "What the request or task did before: its latest log lines, queries and calls, as a JSON list",
    sensitive=True,
)
CATEGORY = Attribute("breadcrumb.category", "What kind of step the app named")
ATTRIBUTES = (FINGERPRINT, TITLE, HANDLED, FRAMES, SUPPRESSED, BREADCRUMBS)

SCOPE = "otel_distro"
ERRORS = Metric(
    "errors",
    Instrument.COUNTER,
    "{error}",
    "Errors, each once: uncaught ones, and those that the app logged or captured",
    (ERROR_TYPE, FINGERPRINT, HANDLED),
)
METRICS = (ERRORS,)
SPANS = ()
EXCEPTION_EVENT = Event("exception", "An exception, once, with its stack", (*EXCEPTION, *ATTRIBUTES))
BREADCRUMB_EVENT = Event(
    "breadcrumb", "A step that the app named; kept for an error that may follow, never sent by itself", (CATEGORY,)
)
EVENTS = (EXCEPTION_EVENT,)
