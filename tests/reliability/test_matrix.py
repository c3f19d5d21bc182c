"""Whatever way a process ends in, what its application did has arrived: each item once, in all three signals."""

from __future__ import annotations

from pathlib import Path
from signal import SIGINT, SIGQUIT, SIGTERM

import pytest

from tests.reliability.case import ENDLESS, GROWING, LEAVING, REQUESTS, TASKS, Case, long, short
from tests.reliability.ledger import Outcome
from tests.reliability.station import Station
from tests.reliability.trial import Trial

_UVICORN = "uvicorn {web} --port {port}"
_GUNICORN = "gunicorn {web} -k uvicorn_worker.UvicornWorker -b 127.0.0.1:{port} -w 2"
_HYPERCORN = "hypercorn {web} -b 127.0.0.1:{port}"
_CELERY = "celery -A tests.reliability.app.tasks worker -l INFO"
_RECYCLED = "--max-tasks-per-child"
_RELOAD = "--reload --reload-dir {folder}"

_IN_CI = (
    Case("script, uncaught exception", "{script} raises {items}", code=1),
    Case("script, os._exit", "{script} leaves {items}", code=4),
    Case("script, SIGTERM", "{script} waits {items}", end=SIGTERM, code=-SIGTERM),
    Case("os.fork, os._exit", "{script} forks {items}"),
    Case("400 forks under load", "{script} storm 400"),
    Case("multiprocessing, fork", "{script} children-fork {items}"),
    Case("multiprocessing, Pool terminated", "{script} pool-fork {items}"),
    Case("uvicorn, SIGTERM", _UVICORN, REQUESTS, SIGTERM, -SIGTERM),
    Case("uvicorn --workers 2, SIGTERM", f"{_UVICORN} --workers 2", REQUESTS, SIGTERM, supervised=True),
    Case("gunicorn --preload, SIGTERM", f"{_GUNICORN} --preload", REQUESTS, SIGTERM, supervised=True),
    Case("gunicorn --max-requests, SIGTERM", f"{_GUNICORN} --max-requests 150", REQUESTS, SIGTERM, supervised=True),
    Case("hypercorn, SIGTERM", _HYPERCORN, REQUESTS, SIGTERM, supervised=True),
    Case("Celery threads, warm shutdown", f"{_CELERY} -P threads -c 2", TASKS, SIGTERM),
    Case("Celery prefork, cold shutdown", f"{_CELERY} -c 2", TASKS, SIGQUIT),
    Case("Celery prefork --max-tasks-per-child 100, warm shutdown", f"{_CELERY} -c 2 {_RECYCLED} 100", TASKS, SIGTERM),
)
_LONG = (
    Case("script, normal end", "{script} returns {items}"),
    Case("script, sys.exit", "{script} exits {items}", code=3),
    Case("script, SIGTERM handled by the app", "{script} handles {items}", end=SIGTERM, code=9),
    Case("script, SIGINT", "{script} waits {items}", end=SIGINT, code=-SIGINT),
    Case("10,000 forks under load", "{script} storm 10000"),
    Case("multiprocessing, spawn", "{script} children-spawn {items}"),
    Case("multiprocessing, forkserver", "{script} children-forkserver {items}"),
    Case("uvicorn, SIGINT", _UVICORN, REQUESTS, SIGINT),
    Case("uvicorn without lifespan, SIGTERM", f"{_UVICORN} --lifespan off", REQUESTS, SIGTERM, -SIGTERM),
    Case("uvicorn --workers 2, Ctrl-C", f"{_UVICORN} --workers 2", REQUESTS, SIGINT, group=True, supervised=True),
    Case("uvicorn --reload, SIGTERM", f"{_UVICORN} {_RELOAD}", REQUESTS, SIGTERM, supervised=True, reloads=2),
    Case("gunicorn, SIGTERM", _GUNICORN, REQUESTS, SIGTERM, supervised=True),
    Case(
        "gunicorn --graceful-timeout 3, requests without end",
        f"{_GUNICORN} --graceful-timeout 3",
        ENDLESS,
        SIGTERM,
        supervised=True,
    ),
    Case("gunicorn, workers that os._exit", _GUNICORN, LEAVING, SIGTERM, supervised=True),
    Case("uvicorn --workers 2, workers that os._exit", f"{_UVICORN} --workers 2", LEAVING, SIGTERM, supervised=True),
    Case("gunicorn, Ctrl-C", _GUNICORN, REQUESTS, SIGINT, group=True, supervised=True),
    Case("hypercorn -w 2, SIGTERM", f"{_HYPERCORN} -w 2", REQUESTS, SIGTERM, supervised=True),
    Case("hypercorn -w 0, SIGTERM", f"{_HYPERCORN} -w 0", REQUESTS, SIGTERM),
    Case("Celery solo, warm shutdown", f"{_CELERY} -P solo", TASKS, SIGTERM),
    Case("Celery solo, cold shutdown", f"{_CELERY} -P solo", TASKS, SIGQUIT),
    Case("Celery threads, cold shutdown", f"{_CELERY} -P threads -c 2", TASKS, SIGQUIT),
    Case(
        "Celery prefork --max-memory-per-child, warm shutdown",
        f"{_CELERY} -c 2 --max-memory-per-child 90000",
        GROWING,
        SIGTERM,
    ),
    Case("Celery prefork, warm shutdown", f"{_CELERY} -c 2", TASKS, SIGTERM),
    Case("Celery prefork --max-tasks-per-child 7, warm shutdown", f"{_CELERY} -c 2 {_RECYCLED} 7", TASKS, SIGTERM),
)


@pytest.mark.parametrize("case", [*map(short, _IN_CI), *map(long, _LONG)])
def test_everything_arrives_once(
    case: Case, station: Station, broker: str, tmp_path: Path, seed: int, matrix: list[Outcome]
) -> None:
    """Spans, lines and counts of all items, from the processes that did them, which end as they end without us."""
    trial = Trial(case, station, tmp_path, broker, seed)
    matrix.append(trial.outcome)
    trial.run()
    assert trial.outcome.problems == []


@pytest.mark.reliability
@pytest.mark.parametrize("case", [*_IN_CI, *_LONG], ids=lambda case: case.name)
def test_the_exit_code_is_the_program_s_own(
    case: Case, station: Station, broker: str, tmp_path: Path, seed: int
) -> None:
    """The same programs end with the same codes without us."""
    Trial(case, station, tmp_path, broker, seed, bare=True).end()
