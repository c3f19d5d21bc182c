"""The catalogue as it stands: what is declared can be emitted, charted, bounded and looked up."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import Counter
from itertools import chain

import opentelemetry.semconv._incubating.attributes as development
import opentelemetry.semconv.attributes as stable
import pytest

from otel_distro.cli import signals
from otel_distro.config import SETTINGS
from otel_distro.semconv import (
    AREAS,
    EVENTS,
    LOG_FIELDS,
    METRICS,
    SPANS,
    Attribute,
    Instrument,
    Metric,
    prometheus_name,
)
from tools import reference

NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.<name>)?")
UNITS = re.compile(r"s|By|1|\{[a-z]+\}")
OURS = {
    "db.query.slow": "whether a query was slow is a matter of our setting",
    "db.response.affected_rows": "OpenTelemetry counts rows returned, not rows changed",
    "db.transaction.outcome": "OpenTelemetry describes statements, not transactions",
    "http.response.streaming": "a streamed answer's duration is not a latency",
    "http.response.time_to_first_byte": "what its latency is instead",
    "user.tier": "what a user pays for is not a role; metrics may carry it, since it is bounded",
}
"""Attributes of ours in a namespace of OpenTelemetry, each with the reason why none of its own would do."""


def every_attribute() -> list[Attribute]:
    """Each declared attribute as often as a signal carries it."""
    return list(chain.from_iterable(signal.attributes for kind in (METRICS, SPANS, EVENTS) for signal in kind))


def conventions() -> set[str]:
    """Every attribute key that OpenTelemetry's conventions know, stable or in development."""
    found = set()
    for package in (stable, development):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            found |= {value for value in vars(importlib.import_module(module.name)).values() if isinstance(value, str)}
    return found


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_well_formed(metric: Metric) -> None:
    """Name, unit and meaning follow OpenTelemetry's rules; histograms alone have buckets, in order."""
    assert NAME.fullmatch(metric.name)
    assert UNITS.fullmatch(metric.unit)
    assert metric.brief
    assert bool(metric.buckets) == (metric.instrument is Instrument.HISTOGRAM)
    assert list(metric.buckets) == sorted(set(metric.buckets))


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_has_bounded_series(metric: Metric) -> None:
    """Every attribute of a metric has a closed set of values or names its bound, and none is personal."""
    assert [a.key for a in metric.attributes if not (a.values or a.bound)] == []
    assert [a.key for a in metric.attributes if a.sensitive] == []


@pytest.mark.parametrize("metric", [metric for metric in METRICS if metric.source], ids=lambda metric: metric.name)
def test_a_derived_metric_can_be_derived(metric: Metric) -> None:
    """The spans it comes from are declared, and carry its attributes and its value."""
    source = metric.source
    assert source
    (span,) = [span for span in SPANS if (span.scope, span.kind) == (source.scope, source.kind)]
    keys = {attribute.key for attribute in span.attributes}
    assert {attribute.key for attribute in metric.attributes} <= keys
    assert source.value in {"duration", "count", *keys}


@pytest.mark.parametrize("names", [[m.name for m in METRICS], [prometheus_name(m) for m in METRICS]])
def test_metrics_have_names_of_their_own(names: list[str]) -> None:
    """No two metrics meet under one name, in OTLP or in Prometheus."""
    assert [name for name, count in Counter(names).items() if count > 1] == []


def test_events_have_names_of_their_own() -> None:
    """No two events share a name."""
    assert [name for name, count in Counter(event.name for event in EVENTS).items() if count > 1] == []


def test_one_key_means_one_thing() -> None:
    """Wherever an attribute's key is declared, its values, bound and sensitivity are the same."""
    meanings: dict[str, set[tuple[object, ...]]] = {}
    for attribute in every_attribute():
        meanings.setdefault(attribute.key, set()).add((attribute.values, attribute.bound, attribute.sensitive))
    assert {key: found for key, found in meanings.items() if len(found) > 1} == {}


def test_opentelemetry_s_names_come_first() -> None:
    """In a namespace of OpenTelemetry a key is OpenTelemetry's, or in our list with its reason."""
    known = conventions()
    namespaces = {key.split(".")[0] for key in known if "." in key}
    used = {attribute.key.removesuffix(".<name>") for attribute in every_attribute()}
    invented = {key for key in used - known if key.split(".")[0] in namespaces and "." in key}
    assert invented == set(OURS)
    assert not any(key.startswith("otel.") for key in used)


@pytest.mark.parametrize(
    ("name", "instrument", "unit", "expected"),
    [
        ("http.server.request.duration", Instrument.HISTOGRAM, "s", "http_server_request_duration_seconds"),
        ("http.server.request.body.size", Instrument.HISTOGRAM, "By", "http_server_request_body_size_bytes"),
        ("celery.task.runs", Instrument.COUNTER, "{task}", "celery_task_runs_total"),
        ("http.server.active_requests", Instrument.UPDOWNCOUNTER, "{request}", "http_server_active_requests"),
        ("process.cpu.share", Instrument.GAUGE, "1", "process_cpu_share_ratio"),
        ("retry.share", Instrument.COUNTER, "1", "retry_share_total"),
    ],
)
def test_names_in_prometheus(name: str, instrument: Instrument, unit: str, expected: str) -> None:
    """The unit and `_total` are appended as Prometheus does for OTLP."""
    assert prometheus_name(Metric(name, instrument, unit, "")) == expected


def test_log_fields_are_keys_or_events_attributes() -> None:
    """Each log field is declared once, and has a short name for the console."""
    assert [key for key, count in Counter(field.key for field in LOG_FIELDS).items() if count > 1] == []
    assert [field.key for field in LOG_FIELDS if not re.fullmatch(r"[a-z_]+", field.short)] == []


def test_the_reference_pages_are_in_sync() -> None:
    """docs/reference says what the code declares (else: `make docs`)."""
    assert reference.out_of_date() == []


def test_the_reference_lists_everything() -> None:
    """Every area has its title; every signal and setting has its row."""
    assert set(signals.TITLES) == set(AREAS)
    page = signals.page()
    declared = [
        *(metric.name for metric in METRICS),
        *(span.name for span in SPANS),
        *(event.name for event in EVENTS),
    ]
    assert [name for name in declared if f"| `{name}` |" not in page] == []
    settings = (reference.FOLDER / "settings.md").read_text("utf-8")
    assert [row.name for row in SETTINGS.values() if f"| `{row.name}` |" not in settings] == []
