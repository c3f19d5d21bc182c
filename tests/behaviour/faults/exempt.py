"""Functions of ours that can't raise unseen: they are called in place of the app's, or by its libraries.

Each does the original's work and calls ours under a guard: the faults are put into what it calls.
"""

_ASGI = "otel_distro.instrumentation.asgi"
_SQL = "otel_distro.instrumentation.sqlalchemy"
STANDS_IN = {
    "otel_distro.context.work:bind": "the app calls it",
    f"{_ASGI}.server:watched.call": "Starlette.__call__",
    f"{_ASGI}.lifespan:Lifespan.send": "the server's send",
    f"{_ASGI}.native:NativeTelemetry._silent.silent": "FastAPI.setup",
    f"{_ASGI}.request:ServerRequest.receive": "the server's receive",
    f"{_ASGI}.request:ServerRequest.send": "the server's send",
    f"{_ASGI}.websocket:ServerConnection.receive": "the server's receive",
    f"{_ASGI}.websocket:ServerConnection.send": "the server's send",
    f"{_ASGI}.route:noting_route.noted": "Route.handle",
    f"{_ASGI}.route:noting_included_route.noted": "APIRoute.handle",
    f"{_ASGI}.route:noting_mount.noted": "Mount.handle",
    "otel_distro.instrumentation.celery.publish:Publication.__call__": "AMQP.send_task_message",
    "otel_distro.instrumentation.celery.publish:Sender.__get__": "AMQP.send_task_message, looked up",
    "otel_distro.instrumentation.celery.worker:Worker._method.method": "a method of celery.worker.request.Request",
    "otel_distro.instrumentation.celery.worker:Worker._strategy.default.handle": "the worker's message handler",
    "otel_distro.instrumentation.httpx.transport:wrap_async.handle_async_request": "AsyncHTTPTransport's",
    "otel_distro.instrumentation.httpx.transport:wrap_sync.handle_request": "HTTPTransport's",
    "otel_distro.instrumentation.logging.handlers:Patch._call_handlers.callHandlers": "Logger.callHandlers",
    "otel_distro.instrumentation.logging.handlers:Patch._format.format": "Handler.format",
    "otel_distro.instrumentation.logging.handlers:Patch._handle.handle": "Handler.handle",
    "otel_distro.instrumentation.loguru.sinks:Patch._emit.emit": "loguru's Handler.emit",
    "otel_distro.instrumentation.loguru.sinks:Patch._log._log": "loguru's Logger._log",
    f"{_SQL}.pool:connected": "SQLAlchemy calls it",
    f"{_SQL}.pool:detached": "SQLAlchemy calls it",
    f"{_SQL}.pool:returned": "SQLAlchemy calls it",
    f"{_SQL}.pool:patch.raw_connection": "Engine.raw_connection",
    f"{_SQL}.queries:Watched.execute": "Dialect.do_execute",
    f"{_SQL}.transactions:_counted.method": "RootTransaction.commit, rollback, close",
    "otel_distro.instrumentation.structlog.event:EventCall.around_last.final": "the chain's last processor",
    "otel_distro.instrumentation.threading.thread:wrap_start.start": "Thread.start",
    "otel_distro.instrumentation.threading.thread:wrap_bootstrap._bootstrap_inner": "Thread._bootstrap_inner",
    "otel_distro.instrumentation.threading.work_item:wrap_init.__init__": "_WorkItem.__init__",
    "otel_distro.instrumentation.threading.work_item:wrap_run.run": "_WorkItem.run",
    "otel_distro.pipeline.ending:Ending._getsignal": "signal.getsignal",
    "otel_distro.pipeline.ending:Ending._signal": "signal.signal",
    "structlog._base:_proxy_to_logger": "BoundLoggerBase._proxy_to_logger",
    "opentelemetry.context:get_current": "FastAPI's own telemetry calls it, too",
    "opentelemetry.context:get_value": "FastAPI's own telemetry calls it, too",
}
"""By place: what it stands in for."""
SOMETIMES = {"otel_distro.pipeline.ending:Ending._signal"}
"""Of these, what asyncio calls only where SIGINT is not ignored from outside, as it is in a background job."""
