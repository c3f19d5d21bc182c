"""When the demo counts a request as correlated, and a log record as an orphan."""

from __future__ import annotations

from typing import Any

import pytest

from otel_distro.cli.correlation import Correlation, Sent, correlate
from tests.viewer.client import TRACE, Client, attributes, log, span

CHECKOUT = Sent("checkout", "POST", "/checkout", 201, "r-1", "shop.fulfil_order", 1)
CHAT = Sent("chat", "WS", "/ws/chat", 101, "r-2")
OTHER = "ab" * 16


def server(
    number: int, method: str = "POST", route: str = "/checkout", trace: str = TRACE, request: str = "r-1"
) -> dict[str, Any]:
    """Return a server span."""
    values = {"http.request.method": method, "http.route": route, "request_id": request}
    return span(number, trace=trace, kind=2, attributes=attributes(values))


def access_line(status: str = "201", request: str = "r-1") -> dict[str, Any]:
    """Return the access line of the checkout."""
    code = {"http.response.status_code": {"intValue": status}}
    values = {"http.request.method": "POST", "http.route": "/checkout", "request_id": request}
    return log(9, "request_completed", 1, **values, **code)


def measured(name: str, count: int, **values: str) -> dict[str, Any]:
    """Return a histogram."""
    point = {"timeUnixNano": "9", "count": str(count), "attributes": attributes(values)}
    return {"name": name, "histogram": {"aggregationTemporality": 2, "dataPoints": [point]}}


SPANS = [
    server(1),
    span(2, 1, kind=3, attributes=attributes({"db.system.name": "sqlite"})),
    span(3, 1, kind=4, name="publish shop.fulfil_order"),
    span(4, 3, kind=5, name="run shop.fulfil_order"),
]
DURATION = measured("http.server.request.duration", 1, **{"http.request.method": "POST", "http.route": "/checkout"})


def judged(viewer: Client, *, traces: Any = SPANS, logs: Any = (), metrics: Any = (DURATION,)) -> Correlation:
    """Send this, and correlate the one checkout."""
    for signal, records in (("traces", traces), ("logs", logs), ("metrics", metrics)):
        viewer.send(signal, *records)
    with viewer.stored() as query:
        return correlate(query, [CHECKOUT])


def test_a_whole_request_is_correlated(viewer: Client) -> None:
    """One trace with server, SQL, publish and run spans, the access line, and the histogram."""
    found = judged(viewer, logs=[access_line()])
    assert (found.missing, found.orphans, found.complete) == (((CHECKOUT, ()),), (), True)


@pytest.mark.parametrize(
    ("changed", "lack"),
    [
        ({"traces": SPANS[1:], "logs": [access_line()]}, "its one server span"),
        ({"traces": [*SPANS, server(9)]}, "its one server span"),
        ({"traces": [*SPANS, server(9, trace=OTHER)]}, "its one trace (2 found)"),
        ({"traces": [server(1, "GET"), *SPANS[1:]]}, "its one server span"),
        ({"traces": [*SPANS[:3]]}, "1 consumer span of shop.fulfil_order"),
        ({"traces": [SPANS[0], *SPANS[2:]]}, "its SQL spans"),
        ({"traces": []}, "its one trace (0 found)"),
        ({"logs": [access_line("200")]}, "its request_completed line"),
        ({"logs": [access_line(request="r-9")], "traces": SPANS}, "its request_completed line"),
        ({"metrics": []}, "the histogram of POST /checkout counts 0 of 1"),
    ],
)
def test_each_lack_is_named(viewer: Client, changed: dict[str, Any], lack: str) -> None:
    """A request that lacks one thing is not correlated, and the report says what it lacks."""
    found = judged(viewer, **changed)
    assert found.correlated == 0
    assert any(lack in line for line in found.missing[0][1]), found.missing[0][1]


def test_a_failed_request_has_an_error_span(viewer: Client) -> None:
    """A 5xx whose server span is not an error is not correlated."""
    viewer.send("traces", server(1))
    viewer.send("metrics", DURATION)
    viewer.send("logs", access_line("500"))
    with viewer.stored() as query:
        (found,) = correlate(query, [Sent("fail", "POST", "/checkout", 500, "r-1")]).missing
    assert found[1] == ("the error status of its server span",)


def test_a_response_without_id_is_not_correlated(viewer: Client) -> None:
    """Without X-Request-ID there is nothing to start from."""
    with viewer.stored() as query:
        (lacks,) = [lacks for _, lacks in correlate(query, [Sent("x", "GET", "/", 200, None)]).missing]
    assert lacks[0] == "X-Request-ID of the response"


def test_a_websocket_has_metrics_and_a_line_of_its_own(viewer: Client) -> None:
    """Its connection counts in websocket.server.connection.duration, not among requests."""
    viewer.send("traces", span(1, kind=2, attributes=attributes({"http.route": "/ws/chat", "request_id": "r-2"})))
    viewer.send("logs", log(2, "connection_completed", 1, **{"http.route": "/ws/chat", "request_id": "r-2"}))
    viewer.send("metrics", measured("websocket.server.connection.duration", 1, **{"http.route": "/ws/chat"}))
    with viewer.stored() as query:
        assert correlate(query, [CHAT]).complete


def test_orphans_are_lines_of_a_request_without_its_ids(viewer: Client) -> None:
    """By trace, by request, by an application's logger; what is written at start belongs to no request."""
    found = judged(
        viewer,
        logs=[
            access_line(),
            log(1, "no request id", 1),
            log(2, "no trace", request_id="r-1"),
            log(3, "neither"),
            log(4, "an error", trace=OTHER) | {"attributes": attributes({"exception.type": "E"})},
        ],
    )
    assert [line.body for line in found.orphans] == ["no request id", "no trace", "neither", "an error"]
