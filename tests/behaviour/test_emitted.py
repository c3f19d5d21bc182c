"""Emitted = declared, both ways: the shop under traffic, and a script for what the shop does not do."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from shop.traffic import CALLS, Customer

from otel_distro.semconv import EVENTS, LOG_FIELDS, METRICS, SPANS
from tests.e2e.waiting import wait_for
from tests.examples.shop_process import EXAMPLES, INSTRUMENTED, UVICORN, WORKER, running
from tests.exporter.requests import attributes
from tests.exporter.server import OtlpServer, Receiver

if TYPE_CHECKING:
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as OtlpMetric

    from otel_distro.semconv import Attribute

pytestmark = pytest.mark.integration
KINDS = {kind: name for name, kind in (("INTERNAL", 1), ("SERVER", 2), ("CLIENT", 3), ("PRODUCER", 4), ("CONSUMER", 5))}

NOT_SEEN = {
    "otel.metric.overflow": "only beyond the cardinality limit",
    "user.id": "only with OTEL_DISTRO_IDENTITY=raw; tests/context has it",
    "otel_distro.trace_class": "set by the webhook and payment packs",
    "http.request.header.<name>": "only when capturing is switched on; tests/instrumentation/asgi has it",
    "http.response.header.<name>": "as above",
    "http.request.method_original": "only for unknown methods; tests/instrumentation/asgi has it",
    "http.request.resend_count": "only for retries; tests/instrumentation/httpx has it",
    "db.response.status_code": "SQLite has no codes; tests/instrumentation/sqlalchemy has it on PostgreSQL",
    "db.response.returned_rows": "SQLite does not say; tests/instrumentation/sqlalchemy has it on PostgreSQL",
    "issue.suppressed": "only for an error that floods; tests/errors has it",
    "celery.task.eta": "only for tasks with an eta; tests/instrumentation/celery has it",
}
"""Declared, but not emitted in this run: why."""

BOUND = {"user.hash", "session.id", "user.tier", "tenant.id"}
"""On spans only where the app binds them, which the shop, without telemetry code, does not; tests/context does."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Receiver:
    """All that two processes of the shop and the script sent."""
    folder = tmp_path_factory.mktemp("emitted")
    with OtlpServer().running() as server:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": server.url,
            "OTEL_DISTRO_SLOW_QUERY_MS": "300",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
            "OTEL_RESOURCE_ATTRIBUTES": "service.version=1,deployment.environment.name=test",
        }
        with (
            running(WORKER, folder / "data", "worker", **environment) as worker,
            running(UVICORN, folder / "data", "web", **environment) as web,
        ):
            with_quotes = Customer(web.base_url())
            for kind in CALLS:
                with_quotes.send(kind)
            with_quotes.close()
            wait_for(lambda: _tasks_ran(server), "the runs of all tasks", 60)
            web.stop()
            worker.stop()
        script = Path(__file__).with_name("everything.py")
        subprocess.run(
            [INSTRUMENTED[0], sys.executable, str(script)], cwd=EXAMPLES, env=_environment(environment), check=True
        )
    return server


def _environment(more: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | more


def _tasks_ran(server: Receiver) -> bool:
    runs = [span.name for span in server.spans() if span.kind == span.SPAN_KIND_CONSUMER]
    return runs.count("run shop.flaky") == 3 and {"run shop.failing", "run shop.fulfil_order"} <= set(runs)


def _keys(declared: tuple[Attribute, ...]) -> set[str]:
    return {attribute.key for attribute in declared}


def _spans(server: Receiver) -> dict[tuple[str, int], set[str]]:
    found: dict[tuple[str, int], set[str]] = defaultdict(set)
    for _, scope in server.scopes("traces"):
        for span in scope.spans if scope.scope.name.startswith("otel_distro.") else ():
            found[scope.scope.name, span.kind - 1] |= set(attributes(span.attributes))
    return found


def _points(metric: OtlpMetric) -> Any:
    return getattr(metric, metric.WhichOneof("data")).data_points


def test_every_span_is_declared(seen: Receiver) -> None:
    """No span and no span attribute of ours that the catalogue does not have."""
    declared = {(span.scope, span.kind.value): _keys(span.attributes) for span in SPANS}
    undeclared = {place: keys - declared.get(place, set()) for place, keys in _spans(seen).items()}
    assert not any(undeclared.values()), undeclared


def test_every_declared_span_is_emitted(seen: Receiver) -> None:
    """Each declared span comes, and each declared span attribute on some span, or there is a reason why not here."""
    found = _spans(seen)
    assert {(span.scope, span.kind.value) for span in SPANS} == set(found)
    declared = {key for span in SPANS for key in _keys(span.attributes)}
    assert declared - set().union(*found.values()) - set(NOT_SEEN) - BOUND == set()


def test_every_metric_is_declared(seen: Receiver) -> None:
    """Each metric that leaves has its declared unit and no attribute beyond the declared ones."""
    declared = {metric.name: metric for metric in METRICS}
    for metric in seen.metrics():
        assert metric.name in declared
        assert metric.unit == declared[metric.name].unit
        allowed = _keys(declared[metric.name].attributes)
        assert all(set(attributes(point.attributes)) <= allowed for point in _points(metric)), metric.name


def test_every_declared_metric_is_emitted(seen: Receiver) -> None:
    """Each declared metric comes, and each declared metric attribute on some point, or there is a reason why not."""
    found: dict[str, set[str]] = defaultdict(set)
    for metric in seen.metrics():
        found[metric.name] |= {key for point in _points(metric) for key in attributes(point.attributes)}
    assert {metric.name for metric in METRICS} - set(found) == set()
    declared = {key for metric in METRICS for key in _keys(metric.attributes)}
    assert declared - set().union(*found.values()) - set(NOT_SEEN) == set()


def test_every_event_is_declared(seen: Receiver) -> None:
    """Our own events carry declared attributes, and each of them comes."""
    declared = {event.name: _keys(event.attributes) for event in EVENTS}
    fields = {field.key for field in LOG_FIELDS}
    found = {
        record.event_name: set(attributes(record.attributes))
        for record in seen.log_records()
        if record.event_name in declared
    }
    assert set(found) == set(declared)
    undeclared = {name: keys - declared[name] - fields for name, keys in found.items()}
    assert not any(undeclared.values()), undeclared


def test_every_log_field_is_emitted(seen: Receiver) -> None:
    """Each declared log field comes: as attribute, id, or resource attribute."""
    found = {key for record in seen.log_records() for key in attributes(record.attributes)}
    resources = [resource for signal in ("traces", "metrics", "logs") for resource, _ in seen.scopes(signal)]
    found |= {pair.key for resource in resources for pair in resource.attributes} | {"trace_id", "span_id"}
    assert {field.key for field in LOG_FIELDS} - found - set(NOT_SEEN) == set()
