"""Customers: sends every kind of request to a shop on this machine.

`python -m shop.traffic http://127.0.0.1:8000 20` sends mixed traffic for 20 seconds.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import itertools
import json
import sys
import time
import uuid
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import stripe
from livekit.api import AccessToken
from websockets.sync.client import connect

from shop.settings import settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

JSON = {"content-type": "application/json"}
PASSWORD = "wonderland"
REQUEST_ID = "X-Request-ID"


@dataclass(frozen=True)
class Call:
    """One request to send, and the status it is to get."""

    method: str
    route: str
    status: int = 200
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None


@dataclass(frozen=True)
class Result:
    """What came of a request; `route` is the template the shop serves it with."""

    kind: str
    method: str
    route: str
    expected_status: int
    status: int
    request_id: str
    response_headers: Mapping[str, str]
    body: bytes

    @property
    def response_request_id(self) -> str | None:
        """The X-Request-ID header of the response, if it has one."""
        return self.response_headers.get(REQUEST_ID)

    def json(self) -> Any:
        """Parse the body."""
        return json.loads(self.body)


def _post(route: str, status: int, content: object) -> Call:
    return Call("POST", route, status, headers=JSON, body=json.dumps(content))


def _checkout(quantity: int) -> Call:
    return _post("/checkout", 201, {"product_id": 1, "quantity": quantity, "email": "alice@example.com"})


def _login(password: str, status: int) -> Call:
    return _post("/login", status, {"username": "alice", "password": password})


def stripe_call(event_id: str, status: int = 200, secret: str = "") -> Call:
    """Sign an event as Stripe does."""
    payment = {"id": "pi_demo", "object": "payment_intent", "amount": 900}
    event = {"id": event_id, "object": "event", "type": "payment_intent.succeeded"}
    body = json.dumps(event | {"data": {"object": payment}})
    signature = stripe.WebhookSignature.generate_signature_header(body, secret or settings().stripe_webhook_secret)
    return Call("POST", "/webhooks/stripe", status, headers=JSON | {"stripe-signature": signature}, body=body)


def livekit_call(event_id: str, status: int = 200, secret: str = "") -> Call:
    """Sign an event as a LiveKit server does."""
    event = {"id": event_id, "event": "room_started", "room": {"name": "support", "sid": "RM_demo"}}
    body = json.dumps(event)
    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    token = AccessToken(settings().livekit_api_key, secret or settings().livekit_api_secret)
    token = token.with_sha256(digest).with_ttl(timedelta(minutes=5))
    headers = {"content-type": "application/webhook+json", "authorization": token.to_jwt()}
    return Call("POST", "/webhooks/livekit", status, headers=headers, body=body)


def _fresh(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex}"


CALLS: Mapping[str, Callable[[], Call]] = {
    "health": lambda: Call("GET", "/health"),
    "products": lambda: Call("GET", "/products"),
    "product": lambda: Call("GET", "/products/{product_id}", path="/products/2"),
    "missing_product": lambda: Call("GET", "/products/{product_id}", 404, path="/products/404"),
    "login": lambda: _login(PASSWORD, 200),
    "refused_login": lambda: _login("guess", 401),
    "checkout": lambda: _checkout(2),
    "oversized_checkout": lambda: _checkout(500),
    "order": lambda: Call("GET", "/orders/{order_id}", path="/orders/1"),
    "quote": lambda: Call("GET", "/quote/{product_id}", path="/quote/3"),
    "stripe": lambda: stripe_call(_fresh("evt")),
    "refused_stripe": lambda: stripe_call(_fresh("evt"), 400, "whsec_of_someone_else"),
    "livekit": lambda: livekit_call(_fresh("EV")),
    "refused_livekit": lambda: livekit_call(_fresh("EV"), 401, "secret-of-someone-else-with-32-characters"),
    "chat": lambda: Call("WS", "/ws/chat", 101),
    "events": lambda: Call("GET", "/events", path="/events?count=5&interval=0.01"),
    "download": lambda: Call("GET", "/download/{size}", path="/download/300000"),
    "partial_download": lambda: Call(
        "GET", "/download/{size}", 206, "/download/300000", headers={"range": "bytes=100000-199999"}
    ),
    "slow": lambda: Call("GET", "/slow", path="/slow?seconds=0.6"),
    "fail": lambda: Call("GET", "/fail", 500),
    "sync": lambda: Call("GET", "/sync"),
    "feedback": lambda: _post("/feedback", 202, {"text": "Lovely tea."}),
    "admin_order": lambda: Call("GET", "/admin/orders/{order_id}", path="/admin/orders/1"),
    "flaky": lambda: _post("/flaky", 202, {"key": "parcel"}),
    "failing_task": lambda: Call("POST", "/fail-task", 202),
}


class Customer:
    """Someone who sends requests to one shop, each over its own connection."""

    def __init__(self, base_url: str) -> None:
        """Refuse any host but this machine."""
        host = urlsplit(base_url).hostname or ""
        if host != "localhost" and not _is_loopback(host):
            message = f"the traffic goes to this machine only, not to {host!r}"
            raise ValueError(message)
        self._base_url = base_url.rstrip("/")
        self._client = httpx.Client(
            base_url=self._base_url,
            timeout=60,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),  # uvicorn drops the connection after a failure
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def send(self, kind: str, request_id: str | None = None, call: Call | None = None) -> Result:
        """Send a request of that kind, with this id or a fresh one."""
        call = call or CALLS[kind]()
        request_id = request_id or uuid.uuid4().hex
        exchange = self._chat if call.method == "WS" else self._http
        status, headers, body = exchange(call, request_id)
        return Result(kind, call.method, call.route, call.status, status, request_id, headers, body)

    def _http(self, call: Call, request_id: str) -> tuple[int, Mapping[str, str], bytes]:
        headers = {**call.headers, REQUEST_ID: request_id}
        path = call.path or call.route
        answer = self._client.request(call.method, path, headers=headers, content=call.body)
        return answer.status_code, answer.headers, answer.content

    def _chat(self, call: Call, request_id: str) -> tuple[int, Mapping[str, str], bytes]:
        url = self._base_url.replace("http", "ws", 1) + call.route
        with connect(url, additional_headers={REQUEST_ID: request_id}, proxy=None, close_timeout=10) as chat:
            replies = []
            for message in ("hello", "is there tea?"):
                chat.send(message)
                replies.append(str(chat.recv(timeout=10)))
            chat.send("bye")
            handshake = chat.response
            for _late in chat:  # until the shop closes
                pass
        if handshake is None:
            message = "the shop closed the chat before it began"
            raise ConnectionError(message)
        headers = httpx.Headers(list(handshake.headers.raw_items()))
        return handshake.status_code, headers, "\n".join(replies).encode()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def mixed(
    base_url: str, *, rounds: int | None = None, seconds: float | None = None, pause: float = 0.05
) -> Iterator[Result]:
    """Send every kind of request in turn, for so many rounds or seconds, whichever ends first."""
    if rounds is None and seconds is None:
        rounds = 1
    deadline = time.monotonic() + (float("inf") if seconds is None else seconds)
    turns = itertools.count() if rounds is None else range(rounds)
    with closing(Customer(base_url)) as customer:
        for kind in (kind for _turn in turns for kind in CALLS):
            if time.monotonic() >= deadline:
                return
            yield customer.send(kind)
            time.sleep(pause)


def main(base_url: str, seconds: str = "20") -> None:
    """Send mixed traffic and print a line for each answer."""
    for result in mixed(base_url, seconds=float(seconds)):
        line = (str(result.status), result.method, result.route, result.response_request_id or "-")
        sys.stdout.write(" ".join(line) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
