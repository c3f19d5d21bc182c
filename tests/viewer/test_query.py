"""What the query layer answers."""

from __future__ import annotations

from typing import Any

from otel_distro.viewer.answer import Series, Trace
from otel_distro.viewer.query import LogFilter, Query
from tests.viewer.client import TRACE, Client, attributes, log, span

SECOND = 10**9
OTHER = "ab" * 16


def drawn(trace: Trace | None) -> list[str]:
    """Return a tree's lines, indented."""
    assert trace is not None
    return ["  " * e.depth + (e.span.name if e.span else e.log.body if e.log else "?") for e in trace.entries]


def test_log_lines_stand_inside_their_span_at_their_time(viewer: Client) -> None:
    """A tree reads in order: each span, then its children and its log lines by time."""
    viewer.send("traces", span(30, 10), span(10), span(20, 10))
    viewer.send("logs", log(25, "between", 10), log(22, "in 20", 20), log(12, "first", 10), log(40, "last", 10))
    assert drawn(viewer.stored().trace(TRACE)) == [
        "span 10",
        "  first",
        "  span 20",
        "    in 20",
        "  between",
        "  span 30",
        "  last",
    ]


def test_nothing_of_a_broken_trace_is_lost(viewer: Client) -> None:
    """Orphans, a log line of an unknown span, loops and self-parents are all shown."""
    viewer.send("traces", span(1, 99), span(2, 3), span(3, 2), span(4, 4))
    viewer.send("logs", log(5, "stray", 77), log(6, "in loop", 3))
    assert drawn(viewer.stored().trace(TRACE)) == [
        "span 1",
        "stray",
        "span 2",
        "  span 3",
        "    in loop",
        "span 4",
    ]


def test_a_very_deep_trace_is_shown(viewer: Client) -> None:
    """Depth is no limit: five thousand spans, each in the one before."""
    viewer.send("traces", *(span(number, number - 1 or None) for number in range(1, 5001)))
    trace = viewer.stored().trace(TRACE)
    assert trace is not None
    assert (len(trace.spans), trace.entries[-1].depth, trace.truncated) == (5000, 4999, False)


def test_a_request_id_leads_to_its_traces(viewer: Client) -> None:
    """By a span's or only a log line's request id, or the trace id in any case of letters."""
    viewer.send("traces", span(1, attributes=attributes({"request_id": "r-1"})), span(2, trace=OTHER))
    viewer.send("logs", log(2, "x", 2, OTHER, request_id="r-2"))
    with viewer.stored() as query:
        assert [query.traces_of_request(name) for name in ("r-1", "r-2", "r-3")] == [(TRACE,), (OTHER,), ()]
        assert [trace.trace_id for trace in query.find_traces("r-2")] == [OTHER]
        assert [trace.trace_id for trace in query.find_traces(TRACE.upper())] == [TRACE]
        assert query.find_traces("' OR 1=1 --") == ()


def test_traces_are_listed_newest_first(viewer: Client) -> None:
    """A row has the root's name, all services, the span and error counts and the duration; filters apply."""
    viewer.send("traces", span(1, name="GET /", attributes=attributes({"request_id": "r"})))
    viewer.send("traces", span(2, 1, status={"code": 2}), service="worker,2")
    viewer.send("traces", span(5, name="later", trace=OTHER))
    with viewer.stored() as query:
        later, first = query.traces()
        assert (later.name, later.trace_id, later.errors) == ("later", OTHER, 0)
        assert (first.name, first.service, first.services) == ("GET /", "shop", ("shop", "worker,2"))
        assert (first.spans, first.errors, first.request_id, first.duration_ms) == (2, 1, "r", 101_000)
        assert query.traces(service="worker,2") == query.traces(status="error") == (first,)
        assert query.traces(status="ok") == query.traces(limit=1) == (later,)
        assert query.traces(service="nobody") == ()


def test_logs_are_filtered(viewer: Client) -> None:
    """Each filter alone; all of them together; the limit keeps the newest, in order of time."""
    viewer.send("logs", log(3, "100% of Tea", 1, request_id="r"), log(1, "early") | {"severityNumber": 17})
    viewer.send("logs", log(2, "other"), service="worker")
    with viewer.stored() as query:

        def bodies(limit: int | None = None, **wanted: Any) -> list[str]:
            return [found.body for found in query.logs(LogFilter(**wanted), limit)]

        assert bodies() == ["early", "other", "100% of Tea"]
        assert bodies(limit=2) == ["other", "100% of Tea"]
        assert bodies(trace_id=TRACE) == bodies(request_id="r") == bodies(text="% OF tea") == ["100% of Tea"]
        assert bodies(service="worker") == ["other"]
        assert bodies(severity=13) == ["early"]
        assert bodies(trace_id=TRACE, request_id="r", service="shop", severity=9, text="Tea") == ["100% of Tea"]
        assert bodies(text="%%") == bodies(trace_id="zz") == []


def histogram(*points: tuple[int, int, int], temporality: int, **more: Any) -> dict[str, Any]:
    """Return a histogram with points of (start, time, count); each measurement is 2."""
    rows = [
        {
            "startTimeUnixNano": str(start * SECOND),
            "timeUnixNano": str(time * SECOND),
            "count": str(count),
            "sum": count * 2,
            "bucketCounts": ["0", str(count)],
            "explicitBounds": [1],
            "attributes": attributes({"http.route": "/checkout"}),
            **more,
        }
        for start, time, count in points
    ]
    data = {"aggregationTemporality": temporality, "dataPoints": rows}
    return {"name": "http.server.request.duration", "unit": "s", "histogram": data}


def only_series(query: Query, name: str = "http.server.request.duration") -> Series:
    """Return the one series."""
    (found,) = query.series(name)
    return found


def test_cumulative_points_count_each_run_once(viewer: Client) -> None:
    """The total of a cumulative series is the last point of each run: zero point and restart included."""
    viewer.send("metrics", histogram((1, 1, 0), (1, 5, 3), (1, 9, 7), (20, 20, 0), (20, 25, 2), temporality=2))
    found = only_series(viewer.stored())
    assert (found.count, found.sum, found.buckets) == (9, 18.0, {"bounds": [1], "counts": [0, 9]})
    assert (found.attributes, found.service, found.temporality, found.points) == (
        {"http.route": "/checkout"},
        "shop",
        "cumulative",
        5,
    )


def test_delta_points_are_summed_and_resent_ones_count_once(viewer: Client) -> None:
    """The total of a delta series is the sum of its points, whatever was sent twice."""
    for _ in range(2):
        viewer.send("metrics", histogram((1, 5, 3), (5, 9, 4), temporality=1))
    found = only_series(viewer.stored())
    assert (found.count, found.sum, found.temporality) == (7, 14.0, "delta")


def test_gauges_and_counters(viewer: Client) -> None:
    """A gauge and an up-down counter are their last value, a counter its runs' sum; NaN is left out."""

    def numbers(*values: Any) -> list[dict[str, Any]]:
        key = {int: "asInt", float: "asDouble", str: "asDouble"}
        return [
            {
                "startTimeUnixNano": str(start * SECOND),
                "timeUnixNano": str(time * SECOND),
                key[type(value)]: value,
            }
            for start, time, value in values
        ]

    runs = numbers((1, 2, 5), (1, 3, 7), (10, 11, 1))
    viewer.send(
        "metrics",
        {"name": "gauge", "gauge": {"dataPoints": numbers((0, 9, 1.5), (0, 3, 9.5))}},
        {"name": "counter", "sum": {"aggregationTemporality": 2, "isMonotonic": True, "dataPoints": runs}},
        {"name": "open", "sum": {"aggregationTemporality": 2, "dataPoints": runs}},
        {"name": "nan", "gauge": {"dataPoints": numbers((0, 9, "NaN"))}},
        {"name": "stale", "gauge": {"dataPoints": [{"timeUnixNano": "1", "flags": 1}]}},
    )
    with viewer.stored() as query:
        assert {m.name: (only_series(query, m.name).value, m.type) for m in query.metrics()} == {
            "counter": (8, "sum"),
            "gauge": (1.5, "gauge"),
            "nan": (None, "gauge"),
            "open": (1, "sum"),
        }


def test_an_exemplar_leads_to_its_trace(viewer: Client) -> None:
    """A series shows its newest exemplars; a trace shows which series it is an example of."""
    exemplar = {"timeUnixNano": "5", "asDouble": 0.25, "traceId": TRACE, "spanId": f"{1:016x}"}
    viewer.send("metrics", histogram((1, 5, 3), temporality=2, exemplars=[exemplar, {"asDouble": 1}]))
    with viewer.stored() as query:
        (found,) = only_series(query).exemplars
        assert (found.value, found.trace_id, found.span_id) == (0.25, TRACE, f"{1:016x}")
        assert query.exemplars_of_trace(TRACE) == (("http.server.request.duration", {"http.route": "/checkout"}),)


def test_other_distributions_are_kept(viewer: Client) -> None:
    """Exponential histograms and summaries have their count and sum."""
    times = {"startTimeUnixNano": "1", "timeUnixNano": "2", "count": "3", "sum": 4.5}
    exponential = times | {"scale": 2, "positive": {"offset": 1, "bucketCounts": ["1", "2"]}}
    summary = times | {"quantileValues": [{"quantile": 0.5, "value": 1}]}
    viewer.send(
        "metrics",
        {"name": "e", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [exponential]}},
        {"name": "s", "summary": {"dataPoints": [summary]}},
    )
    with viewer.stored() as query:
        found = [only_series(query, name) for name in ("e", "s")]
        assert [(one.type, one.count, one.sum) for one in found] == [
            ("exponential_histogram", 3, 4.5),
            ("summary", 3, 4.5),
        ]
        assert found[0].buckets is not None
        assert found[0].buckets["positive"] == {"offset": 1, "counts": [1, 2]}
