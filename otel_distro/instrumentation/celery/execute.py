"""Runs: a CONSUMER span around each, the publisher's work in hand, and how it ended; by Celery's signals."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from time import time_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import context as context_api
from opentelemetry import propagate, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, Context
from opentelemetry.trace import SpanKind, Status, StatusCode

from otel_distro import config
from otel_distro.context.carry import work_in
from otel_distro.context.work import CURRENT, Work, current_fields
from otel_distro.errors.exception import exception_type
from otel_distro.errors.record import mark, record_exception
from otel_distro.guard import guard
from otel_distro.record import HANDOVER
from otel_distro.semconv.attributes import ERROR_TYPE
from otel_distro.semconv.messaging import (
    DESTINATION,
    MESSAGE_ID,
    OPERATION_NAME,
    OPERATION_TYPE,
    OUTCOME,
    RETRIES,
    SCOPE,
    SYSTEM,
    TASK,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextvars import Token
    from types import ModuleType

_OUTCOMES = {"SUCCESS": "success", "RETRY": "retry", "IGNORED": "ignored", "REJECTED": "rejected"}
_KILLED = range(-255, -191)  # exit codes by which a pool's process says that a signal ended it
_UNKNOWN_ERROR = "_OTHER"

RUNNING: ContextVar[Run | None] = ContextVar("otel_distro.celery.running", default=None)
"""The innermost run in hand: a task may run another one eagerly."""


class Run:
    """One run of a task in this process."""

    __slots__ = ("context", "current", "handled", "outer", "running", "span", "task_id", "work")

    context: Token[Context]
    current: Token[Work | None]
    running: Token[Run | None]

    def __init__(self, task_id: str, span: trace.Span, work: Work) -> None:
        self.task_id = task_id
        self.span = span
        self.work = work
        self.outer = RUNNING.get()
        self.handled = sys.exc_info()[1]  # being handled by the caller of an eager task: not this run's error

    def enter(self, parent: Context) -> None:
        """Make this the run in hand, its span the current one, its work the one in hand."""
        self.context = context_api.attach(trace.set_span_in_context(self.span, parent))
        self.current = CURRENT.set(self.work)
        self.running = RUNNING.set(self)

    def leave(self) -> None:
        """Put back what was in hand before."""
        RUNNING.reset(self.running)
        CURRENT.reset(self.current)
        context_api.detach(self.context)


class Execution:
    """The receivers of Celery's signals, and the runs that are open in this process."""

    _tracer: trace.Tracer
    _links = False

    def __init__(self, signals: ModuleType, control: Mapping[type[BaseException], str]) -> None:
        self._control = control
        self._open: set[Run] = set()
        self._receivers = (
            (signals.task_prerun, self.prerun),
            (signals.task_failure, self.failure),
            (signals.task_postrun, self.postrun),
            (signals.task_revoked, self.revoked),
            (signals.worker_process_shutdown, self.shutdown),
            (signals.worker_shutdown, self.shutdown),
        )

    def use(self, tracer: trace.Tracer, *, links: bool) -> None:
        """Make spans by this tracer; `links`: a run is linked to its publish, in a trace of its own."""
        self._tracer = tracer
        self._links = links

    def connect(self) -> None:
        """Begin to receive."""
        for signal, receiver in self._receivers:
            signal.connect(receiver, weak=False, dispatch_uid=f"{SCOPE}.{receiver.__name__}")

    def disconnect(self) -> None:
        """Receive no more; runs that are open end here."""
        for signal, receiver in self._receivers:
            signal.disconnect(dispatch_uid=f"{SCOPE}.{receiver.__name__}")
        self._abandon(self._open)

    def prerun(self, task_id: str, task: Any, **_signal: object) -> None:
        """A run begins."""
        with guard("celery.prerun"):
            if not context_api.get_value(_SUPPRESS_INSTRUMENTATION_KEY):
                self._begin(task_id, task)

    def failure(self, exception: BaseException | None = None, sender: Any = None, **_signal: object) -> None:
        """The run in hand failed: record that before Celery logs it, once."""
        with guard("celery.failure"):
            error = sys.exc_info()[1]
            if RUNNING.get() is None or error is None or _expected(sender, error):
                return
            where = record_exception(error, SCOPE)
            if exception is not None and where is not None:
                mark(exception, where)  # a stand-in when the error itself can't be pickled

    def postrun(self, task_id: str, task: Any, state: str | None = None, retval: Any = None, **_signal: object) -> None:
        """A run is over, one way or another."""
        with guard("celery.postrun"):
            run = RUNNING.get()
            while run is not None and run.task_id != task_id:
                run = run.outer
            if run is not None and run in self._open:
                self._abandon(_chain(RUNNING.get(), run))
                self._finish(run, task, state, retval)

    def revoked(self, sender: Any, request: Any, terminated: object = None, **_signal: object) -> None:
        """A task was called off before it ran; one that was running has its span where it ran."""
        with guard("celery.revoked"):
            if terminated:
                return
            headers = request.headers
            span = self._start(sender.name, parent_in(headers), _attributes(sender, request.id, request))
            _end(span, work_in(headers), {OUTCOME.key: "revoked"})

    def shutdown(self, **_signal: object) -> None:
        """The process is about to end, often by `os._exit`: this is the last moment to export."""
        with guard("celery.shutdown"):
            self._abandon(self._open)
            HANDOVER.sink.flush(int(config.current().shutdown_timeout * 1000))

    def _begin(self, task_id: str, task: Any) -> None:
        request = task.request
        if request.is_eager:
            parent, work = context_api.get_current(), Work(dict(current_fields(time_ns())))
        else:
            self._abandon_here()
            parent, work = parent_in(request.headers), work_in(request.headers)
        span = self._start(task.name, parent, _attributes(task, task_id, request), eager=bool(request.is_eager))
        run = Run(task_id, span, work)
        self._open.add(run)
        run.enter(parent)

    def _start(
        self, task: str, parent: Context, attributes: dict[str, str | int], *, eager: bool = False
    ) -> trace.Span:
        links = None
        published = trace.get_current_span(parent).get_span_context()
        if self._links and published.is_valid and not eager:
            parent = trace.set_span_in_context(trace.INVALID_SPAN, parent)
            links = [trace.Link(published)]
        return self._tracer.start_span(f"run {task}", parent, SpanKind.CONSUMER, attributes, links)

    def _finish(self, run: Run, task: Any, state: str | None, retval: Any) -> None:
        outcome, error = self._ending(run, state, retval)
        attributes = {OUTCOME.key: outcome}
        if outcome == "failure":
            attributes[ERROR_TYPE.key] = _UNKNOWN_ERROR if error is None else exception_type(error)
            if error is not None and not _expected(task, error):
                record_exception(error, SCOPE)
        self._open.discard(run)
        try:
            _end(run.span, run.work, attributes)
        finally:
            run.leave()

    def _ending(self, run: Run, state: str | None, retval: Any) -> tuple[str, BaseException | None]:
        flying = sys.exc_info()[1]
        if flying is None or flying is run.handled:
            outcome = _OUTCOMES.get(state or "", "failure")
            return outcome, retval if isinstance(retval, BaseException) else None
        for kind, outcome in self._control.items():
            if isinstance(flying, kind):
                return outcome, None
        if _called_off(flying):
            return "revoked", None
        return "failure", flying

    def _abandon_here(self) -> None:
        """End what never came to its postrun in this thread, and forget the context that it left behind."""
        left = RUNNING.get()
        if left is not None:
            self._abandon(_chain(left, None))
            RUNNING.set(None)
            CURRENT.set(None)
            context_api.attach(Context())

    def _abandon(self, runs: set[Run]) -> None:
        for run in tuple(runs & self._open):
            self._open.discard(run)
            _end(run.span, run.work, {OUTCOME.key: "failure", ERROR_TYPE.key: _UNKNOWN_ERROR})


def _chain(inner: Run | None, until: Run | None) -> set[Run]:
    """Runs from the innermost one outwards, to before `until`."""
    runs = set()
    while inner is not None and inner is not until:
        runs.add(inner)
        inner = inner.outer
    return runs


def _end(span: trace.Span, work: Work, attributes: Mapping[str, str]) -> None:
    """End a run's span and work, with how it went."""
    work.end(time_ns())
    span.set_attributes({**work.fields, **attributes})
    if ERROR_TYPE.key in attributes:
        span.set_status(Status(StatusCode.ERROR))
    span.end()


def parent_in(headers: Mapping[str, Any] | None) -> Context:
    """The publisher's context from a message's headers, whatever else is in there and in this thread."""
    carrier = {key: value for key, value in (headers or {}).items() if isinstance(value, str)}
    return propagate.extract(carrier, context=Context())


def _attributes(task: Any, task_id: str, request: Any) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        SYSTEM.key: "celery",
        OPERATION_NAME.key: "run",
        OPERATION_TYPE.key: "process",
        TASK.key: task.name,
        MESSAGE_ID.key: str(task_id),
    }
    queue = _queue(task.app, request.delivery_info or {})
    if queue:
        attributes[DESTINATION.key] = queue
    if request.retries:
        attributes[RETRIES.key] = request.retries
    return attributes


def _queue(app: Any, delivery: Mapping[str, Any]) -> str:
    """Name of the queue a message came by: its routing key, unless it went through an exchange of its own."""
    exchange, key = delivery.get("exchange") or "", delivery.get("routing_key") or ""
    if not exchange or delivery.get("is_eager"):
        return str(key)
    for queue in app.amqp.queues.values():
        if queue.exchange and queue.exchange.name == exchange and queue.routing_key == key:
            return str(queue.name)
    return str(exchange)


def _expected(task: Any, error: BaseException) -> bool:
    """Whether the task's `throws` says that this is no defect."""
    return isinstance(error, getattr(task, "throws", None) or ())


def _called_off(error: BaseException) -> bool:
    """Whether the worker, not the task, raised this: terminated by a signal or by a cold shutdown."""
    return isinstance(error, SystemExit) and (type(error) is not SystemExit or error.code in _KILLED)
