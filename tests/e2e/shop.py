"""The example app as a user runs it: web process and Celery worker under `opentelemetry-instrument`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import stripe
from websockets.sync.client import connect

from tests.e2e.collector import Collector
from tests.e2e.server import ROOT, Server, answers, free_ports

WEB = "shop-web"
WORKER = "shop-worker"
STRIPE_SECRET = "whsec_e2e_of_the_shop"
PROGRAMS = Path(sys.executable).parent


class Shop:
    """A running shop, and the customer who counts what it asked for."""

    def __init__(self, folder: Path, collector: Collector, database_url: str, broker_url: str) -> None:
        (port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        self.sent: Counter[tuple[str, str]] = Counter()
        self._client = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        environment = self._environment(folder, collector)
        environment |= {"SHOP_DATABASE_URL": database_url, "SHOP_BROKER_URL": broker_url}
        self.web = self._server(
            folder / WEB,
            ["uvicorn", "shop.main:app", "--host", "127.0.0.1", "--port", str(port)],
            {**environment, "OTEL_SERVICE_NAME": WEB},
        )
        self.web.ready = lambda: answers(f"{self.url}/health")
        self.worker = self._server(
            folder / WORKER,
            [
                "celery",
                "-A",
                "shop.worker",
                "worker",
                "--pool",
                "prefork",
                "--concurrency",
                "1",
                "--loglevel",
                "INFO",
            ],
            {**environment, "OTEL_SERVICE_NAME": WORKER},
        )
        self.worker.ready = lambda: " ready." in self.worker.text

    def start(self) -> None:
        """Start both processes; the web process first, it makes the tables."""
        self.web.start()
        self.worker.start()

    def stop(self) -> None:
        """Stop both as a deployment does, by SIGTERM."""
        self._client.close()
        self.worker.stop()
        self.web.stop()

    def request(self, method: str, route: str, request_id: str, path: str = "", **options: Any) -> httpx.Response:
        """Send a request with a chosen id; `route` is the template that the shop serves `path` with."""
        self.sent[method, route] += 1
        headers = {"X-Request-ID": request_id, **options.pop("headers", {})}
        return self._client.request(method, path or route, headers=headers, **options)

    def checkout(self, request_id: str) -> httpx.Response:
        """Buy something."""
        cart = {"product_id": 1, "quantity": 2, "email": "alice@example.com"}
        return self.request("POST", "/checkout", request_id, json=cart)

    def stripe(self, request_id: str, event_id: str) -> httpx.Response:
        """Deliver a payment event, signed as Stripe signs it."""
        event = {"id": event_id, "object": "event", "type": "payment_intent.succeeded"}
        body = json.dumps(event | {"data": {"object": {"id": "pi_e2e", "object": "payment_intent", "amount": 900}}})
        signature = stripe.WebhookSignature.generate_signature_header(body, STRIPE_SECRET)
        headers = {"stripe-signature": signature, "content-type": "application/json"}
        return self.request("POST", "/webhooks/stripe", request_id, content=body, headers=headers)

    def chat(self, request_id: str, messages: list[str]) -> list[str]:
        """Chat over a WebSocket until the shop closes it; return the replies."""
        self.sent["WS", "/ws/chat"] += 1
        headers = {"X-Request-ID": request_id}
        url = self.url.replace("http", "ws", 1) + "/ws/chat"
        with connect(url, additional_headers=headers, proxy=None) as chat:
            replies = []
            for message in messages:
                chat.send(message)
                replies.append(str(chat.recv(timeout=10)))
            chat.send("bye")
            replies.extend(str(late) for late in chat)
        return replies

    @staticmethod
    def _server(folder: Path, command: list[str], environment: dict[str, str]) -> Server:
        folder.mkdir(parents=True)
        instrumented = [PROGRAMS / "opentelemetry-instrument", PROGRAMS / command[0], *command[1:]]
        return Server(instrumented, folder, lambda: False, environment, working_folder=ROOT / "examples")

    @staticmethod
    def _environment(folder: Path, collector: Collector) -> dict[str, str]:
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{collector.token}",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            "OTEL_RESOURCE_ATTRIBUTES": "service.version=1.2.3,deployment.environment.name=e2e",
            "SHOP_DATA_DIR": str(folder / "data"),
            "STRIPE_WEBHOOK_SECRET": STRIPE_SECRET,
        }
