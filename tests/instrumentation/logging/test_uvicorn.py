"""uvicorn's loggers, with a real server."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests.logs.instrumented import Outcome, Receiver, clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable

APP = """
import logging
from fastapi import FastAPI
app = FastAPI()

@app.get("/ok")
def ok():
    logging.getLogger("shop").warning("handled")
    return {}

@app.get("/fails")
async def fails():
    raise LookupError("gone")
"""
_PATIENCE = 30


def serve(folder: Path, requests: Callable[[str], int], **environment: str) -> Outcome:
    """Run the app under uvicorn, do the requests, end it by SIGTERM."""
    (folder / "app.py").write_text(APP)
    receiver = Receiver()
    instrument = str(Path(sys.executable).with_name("opentelemetry-instrument"))
    settings = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "celery,httpx,httpx2,sqlalchemy", **environment}
    with (folder / "stdout").open("w") as out, (folder / "stderr").open("w") as err:
        process = subprocess.Popen(
            [instrument, sys.executable, "-m", "uvicorn", "app:app", "--host", "127.0.0.1", "--port", "0"],
            env={**clean_environment(receiver.endpoint), **settings},
            cwd=folder,
            stdout=out,
            stderr=err,
        )
        try:
            requests(_address(folder, process))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_PATIENCE)
            receiver.close()
    return Outcome(
        process.returncode, (folder / "stdout").read_text(), (folder / "stderr").read_text(), receiver.records
    )


def _address(folder: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = monotonic() + _PATIENCE
    while monotonic() < deadline and process.poll() is None:
        printed = (folder / "stdout").read_text() + (folder / "stderr").read_text()
        found = re.search(r"running on (http://127\.0\.0\.1:\d+)", printed)
        if found:
            return found.group(1)
        sleep(0.05)
    raise AssertionError((folder / "stderr").read_text())


def get(url: str) -> int:
    """The status of a request with an id of its own."""
    try:
        with urlopen(Request(url, headers={"X-Request-ID": "req-1"})) as response:
            return int(response.status)
    except HTTPError as error:
        return error.code


def test_lines_of_a_request_carry_its_ids(tmp_path: Path) -> None:
    """The app's line and `request_completed` have the same trace id and the request id; uvicorn's line is replaced."""
    done = serve(tmp_path, lambda url: get(f"{url}/ok"))
    (handled,), (completed,) = done.printed("handled"), done.printed("request_completed")
    assert handled["request_id"] == completed["request_id"] == "req-1"
    assert handled["trace_id"] == completed["trace_id"]
    assert (completed["method"], completed["route"], completed["status"]) == ("GET", "/ok", 200)
    assert completed["duration_ms"] > 0
    assert [line for line in done.lines if line["logger"] == "uvicorn.access"] == []
    assert [record for record in done.records if record.scope == "uvicorn.access"] == []


def test_uvicorns_own_lines_are_covered(tmp_path: Path) -> None:
    """`Application startup complete.` is a JSON line and an exported record, once each; stderr stays empty."""
    done = serve(tmp_path, lambda url: get(f"{url}/ok"))
    message = "Application startup complete."
    assert len(done.printed(message)) == len(done.sent(message)) == 1
    assert done.stderr == ""


def test_an_unhandled_exception_has_one_stack_and_its_ids(tmp_path: Path) -> None:
    """The stack is printed and sent once; uvicorn's line about it, after the span ended, has the request's ids."""
    done = serve(tmp_path, lambda url: get(f"{url}/fails"))
    stacks = [line for line in done.lines if "stacktrace" in line]
    assert [line["exception_type"] for line in stacks] == ["LookupError"]
    assert len([record for record in done.records if "exception.stacktrace" in record.attributes]) == 1
    (line,) = [line for line in done.lines if line["message"].startswith("Exception in ASGI application")]
    assert (line["trace_id"], line["request_id"]) == (stacks[0]["trace_id"], "req-1")


def test_access_lines_can_stay_uvicorns(tmp_path: Path) -> None:
    """With OTEL_DISTRO_ACCESS_LOG=false uvicorn's access line is printed and sent, with the request's ids."""
    done = serve(tmp_path, lambda url: get(f"{url}/ok"), OTEL_DISTRO_ACCESS_LOG="false")
    (line,) = [line for line in done.lines if line["logger"] == "uvicorn.access"]
    assert '"GET /ok HTTP/1.1" 200' in line["message"]
    assert line["request_id"] == "req-1"
    assert done.printed("request_completed") == []


def test_without_the_asgi_instrumentation_access_lines_are_not_lost(tmp_path: Path) -> None:
    """When nothing makes `request_completed`, uvicorn's access lines stay."""
    disabled = "celery,fastapi,httpx,httpx2,sqlalchemy"
    done = serve(tmp_path, lambda url: get(f"{url}/ok"), OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=disabled)
    assert len([line for line in done.lines if line["logger"] == "uvicorn.access"]) == 1
