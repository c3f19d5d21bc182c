"""A Celery application on a broker in memory, instrumented, with a real worker in a thread when asked for."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
from collections.abc import Iterator

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from opentelemetry import propagate
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from otel_distro.context.baggage import FirstPartyBaggagePropagator
from otel_distro.instrumentation.celery import CeleryInstrumentor
from tests.instrumentation.celery.orders import register


@pytest.fixture
def propagators() -> Iterator[None]:
    """The distribution's default propagators."""
    before = propagate.get_global_textmap()
    ours = [TraceContextTextMapPropagator(), FirstPartyBaggagePropagator()]
    propagate.set_global_textmap(CompositePropagator(ours))
    yield
    propagate.set_global_textmap(before)


@pytest.fixture
def instrumented(propagators: None) -> Iterator[CeleryInstrumentor]:
    """Celery under our instrumentor."""
    instrumentor = CeleryInstrumentor()
    instrumentor.instrument()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


def make_app(queue: str) -> Celery:
    """The orders application on a broker in memory, with its own queue."""
    app = Celery("orders", broker="memory://", backend="cache+memory://", set_as_current=False)
    app.conf.update(
        broker_connection_retry_on_startup=False,
        broker_transport_options={"polling_interval": 0.01},
        task_default_queue=queue,
        worker_hijack_root_logger=False,
    )
    register(app)
    return app


@pytest.fixture
def app(instrumented: CeleryInstrumentor) -> Iterator[Celery]:
    """An instrumented application without a worker: what it publishes can be looked at."""
    app = make_app("celery")
    yield app
    with app.connection_for_write() as connection:
        connection.default_channel.queue_purge("celery")
    app.close()


@pytest.fixture(scope="module")
def worker_app() -> Iterator[Celery]:
    """An application whose worker runs in a thread, started before the instrumentor was."""
    app = make_app("worked")
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=30):
        yield app
    root.setLevel(before[0])  # the worker set up logging for the whole process
    root.handlers[:] = before[1]
    app.close()


@pytest.fixture
def worked(worker_app: Celery, instrumented: CeleryInstrumentor) -> Iterator[Celery]:
    """An instrumented application with a real worker."""
    yield worker_app
    worker_app.conf.task_protocol = 2


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis server of our own; missing is a failure, with what to type."""
    program = shutil.which("redis-server")
    assert program, "redis-server is not installed: apt-get install redis-server"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    for line in server.stdout:
        if "Ready to accept connections" in line:
            break
    assert server.poll() is None, "redis-server did not start"
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.communicate(timeout=20)
