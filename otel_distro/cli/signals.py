"""`otel-distro signals`: the catalogue of everything we emit, as a page or as JSON."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from otel_distro.cli.page import add_page_options, code, deliver, document, table
from otel_distro.cli.terminal import say_json
from otel_distro.semconv import AREAS, EVENTS, LOG_FIELDS, METRICS, SPANS, Instrument, prometheus_name

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from otel_distro.semconv import Attribute, Metric, Span

HEAD = """# Signals

Generated from `otel_distro/semconv/` by `make docs`: edit the catalogue, not this page.

Every metric, span, event and log field that otel-distro emits. A metric carries the attributes listed with it
and no others. A histogram's Prometheus name is followed by `_bucket`, `_sum` or `_count`."""
LOG_HEAD = """Fields of our own on each log record; what the application adds (`extra=`, structlog's context)
travels under its own name. `Field` is the attribute's key in OTLP (in Loki: structured metadata), `In JSON`
the field of the console line."""
TITLES = {
    "http": "HTTP and WebSocket",
    "db": "Databases",
    "messaging": "Celery",
    "errors": "Errors",
    "own": "The distribution's own health",
}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `signals`."""
    parser = commands.add_parser("signals", help="print the reference of all that is emitted")
    add_page_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print, write or check the page."""
    if arguments.json:
        say_json(catalogue())
        return 0
    return deliver(page(), arguments)


def catalogue() -> dict[str, Any]:
    """Everything declared, as plain data."""
    metrics = [{**_plain(metric), "prometheus_name": prometheus_name(metric)} for metric in METRICS]
    return {
        "metrics": metrics,
        "spans": [{**_plain(span), "kind": span.kind.name.lower()} for span in SPANS],
        "events": [_plain(event) for event in EVENTS],
        "log_fields": [_plain(field) for field in LOG_FIELDS],
    }


def _plain(value: Any) -> Any:
    """A declaration with all that it holds, as JSON knows it."""
    if not isinstance(value, tuple):
        return value
    named: Any = getattr(value, "_asdict", None)
    return [_plain(one) for one in value] if named is None else {key: _plain(one) for key, one in named().items()}


def attributes() -> list[Attribute]:
    """Every attribute of any signal, once, by key."""
    found: dict[str, Attribute] = {}
    held = (signal.attributes for signals in (METRICS, SPANS, EVENTS) for signal in signals)
    for attribute in chain.from_iterable(held):
        found.setdefault(attribute.key, attribute)
    return [found[key] for key in sorted(found)]


def page() -> str:
    """The page."""
    areas = [part for name, area in AREAS.items() for part in (f"## {TITLES.get(name, name)}", *_area(area))]
    return document(HEAD, *areas, "## Attributes", _attributes(), "## Log fields", LOG_HEAD, _log_fields())


def _area(area: Any) -> tuple[str, ...]:
    heads = ("Metric", "In Prometheus", "Kind", "Unit", "Meaning", "Attributes")
    metrics = table(heads, (_metric(metric) for metric in area.METRICS))
    spans = table(("Span", "Kind", "Scope", "Meaning", "Attributes"), (_span(span) for span in area.SPANS))
    rows = ((code(event.name), event.brief, _keys(event.attributes)) for event in area.EVENTS)
    events = table(("Event", "Meaning", "Attributes"), rows)
    return metrics, _buckets(area.METRICS), spans, events


def _buckets(metrics: Iterable[Metric]) -> str:
    bounds = {metric.name: ", ".join(f"{bound:.12g}" for bound in metric.buckets) for metric in metrics}
    lines = [f"- `{name}`: {text}" for name, text in bounds.items() if text]
    return "\n".join(["Bucket boundaries:", "", *lines]) if lines else ""


def _metric(metric: Metric) -> tuple[str, ...]:
    kind = "up-down counter" if metric.instrument is Instrument.UPDOWNCOUNTER else metric.instrument.value
    name = code(prometheus_name(metric))
    return code(metric.name), name, kind, code(metric.unit), metric.brief, _keys(metric.attributes)


def _span(span: Span) -> tuple[str, ...]:
    return code(span.name), span.kind.name.lower(), code(span.scope), span.brief, _keys(span.attributes)


def _keys(held: Iterable[Attribute]) -> str:
    return ", ".join(code(attribute.key) for attribute in held)


def _attributes() -> str:
    rows = (_attribute(attribute) for attribute in attributes())
    return table(("Attribute", "Meaning", "Values", "Personal"), rows)


def _attribute(attribute: Attribute) -> tuple[str, ...]:
    values = ", ".join(code(value) for value in attribute.values) or attribute.bound
    return code(attribute.key), attribute.brief, values, "yes" if attribute.sensitive else ""


def _log_fields() -> str:
    rows = ((code(f.key), code(f.short), f.brief, "yes" if f.sensitive else "") for f in LOG_FIELDS)
    return table(("Field", "In JSON", "Meaning", "Personal"), rows)
