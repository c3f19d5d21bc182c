"""The application behaves the same with and without instrumentation: the shop, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from shop.traffic import CALLS, Call, Customer

from tests.examples.shop_process import UVICORN, WORKER, running, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from shop.traffic import Result

pytestmark = pytest.mark.integration

OURS = {"x-request-id", "x-correlation-id", "server-timing"}
VARYING = {"date"}
SECRET = {"login"}  # a random token
INSTRUMENTED = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",  # the discard port: a collector that is down
    "OTEL_SERVICE_NAME": "shop",
}


class Run:
    """What the shop answered to one request of each kind, and how its processes ended."""

    def __init__(self, folder: Path, **environment: str) -> None:
        data_dir = folder / "data"
        with (
            running(WORKER, data_dir, "worker", **environment) as worker,
            running(UVICORN, data_dir, "web", **environment) as web,
        ):
            customer = Customer(web.base_url())
            self.results = {kind: customer.send(kind, f"request-{kind}") for kind in CALLS}
            checkout = self.results["checkout"].json()["order_id"]
            order = Call("GET", "/orders/{order_id}", path=f"/orders/{checkout}")
            wait_for(lambda: customer.send("order", call=order).json()["status"] == "fulfilled", "the order's task")
            self.results["order"] = customer.send("order", "request-order")  # before, its task may not have run yet
            customer.close()
            self.exit_codes = {"web": web.stop(), "worker": worker.stop()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """The plain run and the instrumented one."""
    plain = Run(tmp_path_factory.mktemp("plain"))
    return plain, Run(tmp_path_factory.mktemp("instrumented"), **INSTRUMENTED)


def _answer(result: Result) -> dict[str, Any]:
    headers = {k.lower(): v for k, v in result.response_headers.items() if k.lower() not in OURS | VARYING}
    headers.pop("sec-websocket-accept", None)  # answers the client's random key
    body = sorted(result.json()) if result.kind in SECRET else result.body
    return {"status": result.status, "headers": headers, "body": body}


@pytest.mark.parametrize("kind", CALLS)
def test_each_answer_is_the_same(runs: tuple[Run, Run], kind: str) -> None:
    """Status, headers (but ours) and body are the same, whether the request succeeds or fails."""
    plain, instrumented = runs
    assert _answer(instrumented.results[kind]) == _answer(plain.results[kind])


@pytest.mark.parametrize("kind", [kind for kind in CALLS if kind != "health"])
def test_each_answer_says_its_request_id(runs: tuple[Run, Run], kind: str) -> None:
    """The id that came in is the id that goes out, in both headers."""
    headers = runs[1].results[kind].response_headers
    assert headers["x-request-id"] == headers["x-correlation-id"] == f"request-{kind}"


@pytest.mark.parametrize("program", ["web", "worker"])
def test_the_exit_code_is_the_same(runs: tuple[Run, Run], program: str) -> None:
    """SIGTERM ends each process as it does without us."""
    assert runs[1].exit_codes[program] == runs[0].exit_codes[program]
