"""The shop works by itself: every endpoint and task, through real processes, with no telemetry anywhere."""

from __future__ import annotations

import ast
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest
from shop.traffic import CALLS, Call, Customer, livekit_call, mixed, stripe_call
from websockets.sync.client import connect

from tests.examples.shop_process import EXAMPLES, PATIENCE, UVICORN, WORKER, Shop, rows, running, wait_for

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

DIGITS = b"0123456789abcdef"


def status_of(shop: Shop, order_id: int) -> str:
    """Ask the shop how an order goes."""
    return str(shop.customer.send("order", call=Call("GET", f"/orders/{order_id}")).json()["status"])


@pytest.mark.parametrize("kind", CALLS)
def test_every_kind_of_request_gets_the_status_it_is_to_get(shop: Shop, kind: str) -> None:
    """Each request of the traffic driver is answered as a normal customer expects."""
    shop.customer.send("checkout")  # the order that others ask for
    result = shop.customer.send(kind, "chosen-id")
    assert (result.status, result.request_id) == (result.expected_status, "chosen-id")
    assert result.response_request_id is None


@pytest.mark.parametrize(("kind", "status"), [("checkout", "fulfilled"), ("oversized_checkout", "failed")])
def test_an_order_goes_through_the_worker(shop: Shop, kind: str, status: str) -> None:
    """An order is pending at first, and the worker decides it."""
    order = shop.customer.send(kind).json()
    assert order["status"] == "pending"
    wait_for(lambda: status_of(shop, order["order_id"]) == status, f"an order that is {status}")


def test_the_staff_sees_more_of_an_order(shop: Shop) -> None:
    """The mounted sub-application serves the order from the same database."""
    order_id = shop.customer.send("checkout").json()["order_id"]
    detail = shop.customer.send("admin_order", call=Call("GET", f"/admin/orders/{order_id}")).json()
    assert (detail["order_id"], detail["product_id"], detail["quantity"]) == (order_id, 1, 2)


@pytest.mark.parametrize("path", ["/orders/999999", "/admin/orders/999999", "/quote/999999", "/nothing"])
def test_what_does_not_exist_is_404(shop: Shop, path: str) -> None:
    """An unknown order, product or path is not found."""
    assert shop.customer.send("missing", call=Call("GET", path)).status == 404


def test_the_right_password_gives_a_token(shop: Shop) -> None:
    """Every login gives a new token."""
    tokens = {shop.customer.send("login").json()["token"] for _ in range(2)}
    assert len(tokens) == 2


def test_a_stripe_event_is_booked_once(shop: Shop) -> None:
    """A repeated event is acknowledged, not handled again."""
    first, second = (shop.customer.send("stripe", call=stripe_call("evt_twice")).json() for _ in range(2))
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    query = "SELECT status FROM webhook_events WHERE event_id = ?"
    wait_for(lambda: shop.rows(query, "evt_twice") == [("handled",)], "the booking of the event")


def test_a_livekit_event_is_stored_once(shop: Shop) -> None:
    """LiveKit sends retries with the same id; one row is kept."""
    first, second = (shop.customer.send("livekit", call=livekit_call("EV_twice")).json() for _ in range(2))
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    query = "SELECT event_type, status FROM webhook_events WHERE event_id = ?"
    assert shop.rows(query, "EV_twice") == [("room_started", "received")]


@pytest.mark.parametrize("headers", [{}, {"stripe-signature": "t=1,v1=00"}, {"stripe-signature": "garbage"}])
def test_an_unsigned_stripe_event_is_400(shop: Shop, headers: dict[str, str]) -> None:
    """A missing, old or malformed signature is refused."""
    call = Call("POST", "/webhooks/stripe", headers=headers, body='{"id": "evt_forged"}')
    assert shop.customer.send("forged", call=call).status == 400


@pytest.mark.parametrize("change", ["", "Bearer ", "body"])
def test_a_forged_livekit_event_is_401(shop: Shop, change: str) -> None:
    """A missing token, a bearer prefix or another body is refused."""
    true = livekit_call("EV_forged")
    token = true.headers["authorization"]
    authorization = {"": "", "Bearer ": f"Bearer {token}", "body": token}[change]
    body = "{}" if change == "body" else true.body
    call = Call("POST", "/webhooks/livekit", headers={"authorization": authorization}, body=body)
    assert shop.customer.send("forged", call=call).status == 401


def test_the_chat_echoes_until_bye(shop: Shop) -> None:
    """The customer gets back what was said."""
    assert shop.customer.send("chat").body == b"hello\nis there tea?"


def test_a_customer_may_leave_the_chat_without_bye(shop: Shop) -> None:
    """A closed connection ends the chat in peace."""
    with connect(shop.url.replace("http", "ws", 1) + "/ws/chat", proxy=None) as chat:
        chat.send("hello")
        chat.recv(timeout=PATIENCE)
    wait_for(lambda: shop.web.said("the customer left the chat"), "the end of the chat")


def test_events_come_as_a_stream(shop: Shop) -> None:
    """The stream has the asked number of events, and the first comes before the last is made."""
    url = f"{shop.url}/events?count=3&interval=0.2"
    with httpx.Client(trust_env=False) as client, client.stream("GET", url) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        arrivals = [time.monotonic() for line in answer.iter_lines() if line.startswith("data:")]
    assert len(arrivals) == 3
    assert arrivals[-1] - arrivals[0] >= 0.2


@pytest.mark.parametrize(
    ("byte_range", "status", "expected"),
    [
        ("", 200, DIGITS * 6250),
        ("bytes=0-0", 206, b"0"),
        ("bytes=17-20", 206, b"1234"),
        ("bytes=99990-", 206, b"6789abcdef"),
        ("bytes=-3", 206, b"def"),
        ("bytes=0-", 200, DIGITS * 6250),
        ("bytes=99999-200000", 206, b"f"),
        ("bytes=100000-", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=-", 200, DIGITS * 6250),
        ("bytes=1-2,4-5", 200, DIGITS * 6250),
        ("lines=1-2", 200, DIGITS * 6250),
    ],
)
def test_a_download_honours_ranges(shop: Shop, byte_range: str, status: int, expected: bytes | None) -> None:
    """The asked bytes come; what is no single range of bytes is ignored."""
    headers = {"range": byte_range} if byte_range else {}
    result = shop.customer.send("download", call=Call("GET", "/download/100000", headers=headers))
    assert result.status == status
    assert expected is None or result.body == expected


def test_the_slow_statement_does_not_stop_the_others(shop: Shop) -> None:
    """While a statement sleeps in the database, other customers are served."""
    with ThreadPoolExecutor(1) as pool:
        start = time.monotonic()
        slow = pool.submit(httpx.get, f"{shop.url}/slow?seconds=1", timeout=PATIENCE, trust_env=False)
        assert shop.customer.send("health").json() == {"status": "ok"}
        assert not slow.done()
        assert slow.result().json() == {"seconds": 1.0}
        assert time.monotonic() - start >= 1


def test_an_unhandled_error_is_500_and_the_shop_stays_open(shop: Shop) -> None:
    """The server logs the stack, the customer sees nothing of it."""
    result = shop.customer.send("fail")
    assert (result.status, result.body) == (500, b"Internal Server Error")
    wait_for(lambda: shop.web.said(r"shop\.extras\.StockroomError: the stockroom"), "the stack in the log")
    assert shop.customer.send("products").json()[0] == {"id": 1, "name": "Tea", "price_cents": 450}


def test_feedback_is_stored_after_the_answer(shop: Shop) -> None:
    """The background task writes a row and a line."""
    shop.customer.send("feedback")
    wait_for(lambda: shop.rows("SELECT text FROM feedback"), "the row")
    wait_for(lambda: shop.web.said("INFO:shop.extras:feedback of 11 characters stored"), "the line")


def test_a_flaky_task_succeeds_at_its_third_attempt(shop: Shop) -> None:
    """Two attempts fail and are retried."""
    headers = {"content-type": "application/json"}
    shop.customer.send("flaky", call=Call("POST", "/flaky", headers=headers, body='{"key": "K7"}'))
    wait_for(lambda: shop.worker.said("carrier took K7 at attempt 3"), "the success")
    assert shop.worker.said("attempt 1 for K7")
    assert shop.worker.said("attempt 2 for K7")


def test_a_failing_task_leaves_its_stack_and_the_worker_goes_on(shop: Shop) -> None:
    """The error is logged by Celery; later tasks run."""
    shop.customer.send("failing_task")
    wait_for(lambda: shop.worker.said(r"shop\.worker\.LabelPrinterError: the label printer"), "the stack")
    order_id = shop.customer.send("checkout").json()["order_id"]
    wait_for(lambda: status_of(shop, order_id) == "fulfilled", "a later task")


def test_a_quote_may_come_from_a_supplier(shop: Shop, tmp_path: Path) -> None:
    """With SHOP_QUOTE_URL the price is asked for over HTTP; the shop itself can be the supplier."""
    assert shop.customer.send("quote").json() == {"product_id": 3, "price_cents": 5900, "source": "table"}
    environment = {"SHOP_QUOTE_URL": f"{shop.url}/products"}
    with running(UVICORN, tmp_path / "data", "reseller", **environment) as reseller:
        customer = Customer(reseller.base_url())
        assert customer.send("quote").json() == {"product_id": 3, "price_cents": 5900, "source": "supplier"}
        assert customer.send("quote", call=Call("GET", "/quote/404")).status == 502
        customer.close()


def test_many_processes_may_start_at_once_on_an_empty_database(tmp_path: Path) -> None:
    """Everyone finds the tables, and the first rows are there once."""
    web = "import asyncio, shop.database as d; asyncio.run(d.prepare_from_web())"
    worker = "import shop.database as d; d.prepare_from_worker()"
    environment = {"SHOP_DATA_DIR": str(tmp_path), "PATH": ""}
    starts = [
        subprocess.Popen([sys.executable, "-c", code], cwd=EXAMPLES, env=environment) for code in (web, worker) * 3
    ]
    assert [start.wait(PATIENCE) for start in starts] == [0] * 6
    assert rows(tmp_path, "SELECT count(*) FROM products") == [(3,)]


def test_two_workers_share_the_file_broker(shop: Shop) -> None:
    """Of a burst of messages each one is handled, and only once."""
    with running(WORKER, shop.data_dir, "second-worker") as second:
        wait_for(lambda: second.said("concurrency: "), "the start of the second worker")
        orders = [shop.customer.send("checkout").json()["order_id"] for _ in range(60)]
        marks = ",".join("?" * len(orders))
        query = f"SELECT count(*) FROM orders WHERE status = 'fulfilled' AND id IN ({marks})"
        wait_for(lambda: shop.rows(query, *orders) == [(60,)], "the end of the burst")
        second.stop()
    lines = (shop.worker.log.read_text() + second.log.read_text()).splitlines()
    starts = [int(line.rsplit(" ", 1)[1]) for line in lines if "fulfilling order" in line]
    assert sorted(set(starts) & set(orders)) == sorted(start for start in starts if start in orders)


def test_both_processes_end_when_asked(tmp_path: Path) -> None:
    """SIGTERM ends the worker with 0, and the server by the signal or with 0."""
    with (
        running(UVICORN, tmp_path / "data", "web") as web,
        running((*WORKER[:-1], "prefork", "-c", "1"), tmp_path / "data", "worker") as worker,
    ):
        customer = Customer(web.base_url())
        customer.send("failing_task")
        customer.close()
        wait_for(lambda: worker.said("LabelPrinterError"), "a task in a forked child")
        assert worker.stop() == 0
        assert web.stop() in {0, -15}
    assert "Application shutdown complete" in web.log.read_text()


def test_mixed_traffic_has_every_kind_and_an_end(shop: Shop) -> None:
    """One round sends each kind once; a time limit ends it early."""
    results = list(mixed(shop.url, rounds=1, pause=0))
    assert [result.kind for result in results] == list(CALLS)
    assert [result.status for result in results] == [result.expected_status for result in results]
    assert len({result.request_id for result in results}) == len(results)
    assert list(mixed(shop.url, seconds=0)) == []


@pytest.mark.parametrize("url", ["http://example.com", "http://10.0.0.1", "http://127.0.0.1.a.com", "shop"])
def test_the_traffic_goes_to_this_machine_only(url: str) -> None:
    """Another host is refused before anything is sent."""
    with pytest.raises(ValueError, match="this machine only"):
        next(mixed(url, rounds=1))


def test_no_file_of_the_shop_knows_telemetry() -> None:
    """It is the proof that no code change is needed: nothing imports OpenTelemetry or us."""
    allowed = {
        "asyncio",
        "base64",
        "celery",
        "collections",
        "contextlib",
        "dataclasses",
        "datetime",
        "fastapi",
    }
    allowed |= {"functools", "hashlib", "hmac", "httpx", "ipaddress", "itertools", "json", "kombu", "livekit"}
    allowed |= {
        "logging",
        "os",
        "pathlib",
        "pydantic",
        "queue",
        "re",
        "secrets",
        "shop",
        "sqlalchemy",
        "stripe",
    }
    allowed |= {"sys", "tempfile", "time", "typing", "urllib", "uuid", "websockets", "__future__"}
    imported = set()
    for path in (EXAMPLES / "shop").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).split(".")[0])
    assert imported <= allowed
