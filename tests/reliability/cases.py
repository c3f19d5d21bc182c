"""The ways to end."""

from __future__ import annotations

from functools import partial
from signal import SIGINT, SIGKILL, SIGQUIT, SIGTERM

from tests.reliability.case import ENDLESS, GROWING, LEAVING, REQUESTS, TASKS, Case

_UVICORN = "uvicorn {web} --port {port}"
_GUNICORN = "gunicorn {web} -k uvicorn_worker.UvicornWorker -b 127.0.0.1:{port} -w 2"
_HYPERCORN = "hypercorn {web} -b 127.0.0.1:{port}"
_CELERY = "celery -A tests.reliability.app.tasks worker -l INFO"
_served = partial(Case, load=REQUESTS, end=SIGTERM)
_watched = partial(Case, load=REQUESTS, end=SIGTERM, supervised=True)
_worked = partial(Case, load=TASKS, end=SIGTERM)

SHORT = (
    Case("script, uncaught exception", "{script} raises {items}", codes=(1,)),
    Case("script, os._exit", "{script} leaves {items}", codes=(4,)),
    Case("script, SIGTERM", "{script} waits {items}", end=SIGTERM, codes=(-SIGTERM,)),
    Case("os.fork, os._exit", "{script} forks {items}", processes=5),
    Case("400 forks under load", "{script} storm 400", processes=101),
    Case("multiprocessing, fork", "{script} children-fork {items}", processes=2),
    Case("multiprocessing, Pool terminated", "{script} pool-fork {items}"),
    _served("uvicorn, SIGTERM", _UVICORN, codes=(-SIGTERM,)),
    _served("uvicorn, SIGTERM, gRPC", _UVICORN, codes=(-SIGTERM,), grpc=True),
    _watched("uvicorn --workers 2, SIGTERM", f"{_UVICORN} --workers 2"),
    _watched("gunicorn --preload, SIGTERM", f"{_GUNICORN} --preload"),
    _watched("gunicorn --max-requests, SIGTERM", f"{_GUNICORN} --max-requests 100", processes=5),
    _watched("hypercorn, SIGTERM", _HYPERCORN),
    _worked("Celery threads, SIGTERM", f"{_CELERY} -P threads -c 2"),
    _worked("Celery --max-tasks-per-child 100", f"{_CELERY} -c 2 --max-tasks-per-child 100", processes=8, idle=True),
)
"""They run in CI."""
LONG = (
    Case("script, normal end", "{script} returns {items}"),
    Case("script, sys.exit", "{script} exits {items}", codes=(3,)),
    Case("script, SIGTERM handled by the app", "{script} handles {items}", end=SIGTERM, codes=(9,)),
    Case("script, SIGINT", "{script} waits {items}", end=SIGINT, codes=(-SIGINT,)),
    Case("400 forks under load, gRPC", "{script} storm 400", processes=101, grpc=True),
    Case("10,000 forks under load", "{script} storm 10000", processes=2000),
    Case("multiprocessing, spawn", "{script} children-spawn {items}", processes=2),
    Case("multiprocessing, forkserver", "{script} children-forkserver {items}", processes=2),
    _served("uvicorn, SIGKILL", _UVICORN, end=SIGKILL, codes=(-SIGKILL,), items=3000),
    _watched("gunicorn, SIGKILL of all", _GUNICORN, end=SIGKILL, group=True, codes=(-SIGKILL,), items=3000),
    _served("uvicorn, SIGINT", _UVICORN, end=SIGINT),
    _served("uvicorn without lifespan, SIGTERM", f"{_UVICORN} --lifespan off", codes=(-SIGTERM,)),
    _watched("uvicorn --workers 2, Ctrl-C", f"{_UVICORN} --workers 2", end=SIGINT, group=True),
    _watched("uvicorn --workers 2, os._exit", f"{_UVICORN} --workers 2", load=LEAVING, processes=4),
    _watched("uvicorn --reload, SIGTERM", f"{_UVICORN} --reload --reload-dir {{folder}}", reloads=2, processes=3),
    _watched("gunicorn, SIGTERM", _GUNICORN),
    _watched("gunicorn, Ctrl-C", _GUNICORN, end=SIGINT, group=True),
    _watched("gunicorn, requests beyond its graceful timeout", f"{_GUNICORN} --graceful-timeout 3", load=ENDLESS),
    _watched("gunicorn, os._exit", _GUNICORN, load=LEAVING, processes=4),
    _watched("gunicorn -k asgi, SIGTERM", "gunicorn {web} -k asgi -b 127.0.0.1:{port} -w 2"),
    _watched("gunicorn --preload, SIGTERM, gRPC", f"{_GUNICORN} --preload", grpc=True),
    _watched("hypercorn, Ctrl-C", _HYPERCORN, end=SIGINT, group=True),
    _watched("hypercorn -w 2, SIGTERM", f"{_HYPERCORN} -w 2"),
    _served("hypercorn -w 0, SIGTERM", f"{_HYPERCORN} -w 0"),
    _worked("Celery solo, SIGTERM", f"{_CELERY} -P solo"),
    _worked("Celery solo, SIGQUIT", f"{_CELERY} -P solo", end=SIGQUIT),
    _worked("Celery threads, SIGQUIT", f"{_CELERY} -P threads -c 2", end=SIGQUIT, codes=(0, 1)),
    _worked("Celery prefork, SIGTERM", f"{_CELERY} -c 2"),
    _worked("Celery prefork, SIGTERM, gRPC", f"{_CELERY} -c 2", grpc=True),
    _worked("Celery prefork, Ctrl-C", f"{_CELERY} -c 2", end=SIGINT, group=True, codes=(1,)),
    # Idle, as Celery stops its pool in a signal's handler. Where that interrupts its reading of a result, it holds
    # the lock of billiard's counter of results, which the child takes before it ends: both wait for ever.
    _worked("Celery prefork, SIGQUIT", f"{_CELERY} -c 2", end=SIGQUIT, idle=True),
    _worked("Celery --max-tasks-per-child 7, SIGTERM", f"{_CELERY} -c 2 --max-tasks-per-child 7", processes=100),
    _worked("Celery --max-memory-per-child", f"{_CELERY} -c 2 --max-memory-per-child 90000", load=GROWING, processes=4),
)
