"""Sampling: the head decision is the sampler's, metrics see everything, and an error or a slow root is kept late."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis.strategies import integers
from opentelemetry.context import Context, set_value
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import SpanKind, TraceState, set_span_in_context

from otel_distro.pipeline.sampling import ConsistentRatio, otel_distro_ratio, ratio_of
from otel_distro.record import QUIET
from tests.pipeline.observed import Observed, remote

Make = Callable[..., Observed]
NOTHING = ParentBased(TraceIdRatioBased(0.0))


class Custom(Sampler):
    """Somebody's own: drops names that begin with an x, records without sampling those that begin with an r."""

    def should_sample(
        self, parent_context: object, trace_id: int, name: str, *args: object, **kwargs: object
    ) -> SamplingResult:
        """Decide by name."""
        decisions = {"x": Decision.DROP, "r": Decision.RECORD_ONLY}
        return SamplingResult(decisions.get(name[0], Decision.RECORD_AND_SAMPLE), {"by": "custom"})

    def get_description(self) -> str:
        """Its name."""
        return "custom"


def test_by_default_everything_is_exported(observed: Observed) -> None:
    """Each span leaves, children before their root, with the head decision in its flags."""
    root = observed.request("/a", children=2)
    assert observed.names() == ["SELECT x", "SELECT x", "GET /a"]
    assert root.context.trace_flags.sampled
    assert {span.context.trace_id for span in observed.spans()} == {root.context.trace_id}


@pytest.mark.parametrize(
    "sampler", [NOTHING, ALWAYS_OFF, TraceIdRatioBased(0.0), ParentBased(ALWAYS_OFF), otel_distro_ratio("0")]
)
def test_metrics_count_what_is_dropped(observe: Make, sampler: Sampler) -> None:
    """A sampler costs spans, never counts, lines or children's metrics."""
    observed = observe(sampler=sampler)
    for _ in range(3):
        observed.request("/a", children=2)
    assert observed.names() == []
    assert observed.counts() == {"/a": 3}
    assert observed.points("db.client.operation.duration")[0].count == 6
    assert [record.body for record in observed.logs()] == ["request_completed"] * 3


def test_what_left_in_traceparent_was_the_head_decision(observe: Make) -> None:
    """A late keep changes no flag: the span is exported, and still says unsampled."""
    observed = observe(sampler=NOTHING)
    root = observed.start("/fails")
    before = root.get_span_context().trace_flags
    observed.answer(root, 500)
    (kept,) = observed.spans()
    assert kept is root
    assert (before.sampled, kept.get_span_context().trace_flags.sampled) == (False, False)


@pytest.mark.parametrize(
    ("status", "seconds", "kept"), [(500, 0.01, True), (200, 2.5, True), (404, 0.01, False), (200, 1.9, False)]
)
def test_an_error_or_a_slow_root_is_kept_with_its_children(
    observe: Make, status: int, seconds: float, kept: bool
) -> None:
    """The outcome of the root decides: 5xx and slow are kept; a 404 is no error."""
    observed = observe(sampler=NOTHING)
    observed.request("/a", status, seconds=seconds, children=2)
    assert observed.names() == (["SELECT x", "SELECT x", "GET /a"] if kept else [])


def test_a_caught_error_of_a_child_keeps_nothing(observe: Make) -> None:
    """Only the root's outcome counts."""
    observed = observe(sampler=NOTHING)
    root = observed.start("/a")
    child = observed.tracer("app").start_span("child", set_span_in_context(root))
    child.record_exception(ValueError("caught"))
    child.set_status(child.status.status_code.ERROR)
    child.end()
    observed.answer(root)
    assert observed.spans() == []


def test_what_ends_after_the_root_follows_its_outcome(observe: Make) -> None:
    """A background task of a failed request is exported, that of a good one is not."""
    observed = observe(sampler=NOTHING)
    for status in (200, 500):
        root = observed.start(f"/{status}")
        late = observed.tracer("app").start_span(f"late {status}", set_span_in_context(root))
        observed.answer(root, status)
        observed.settle()
        late.end()
    assert observed.names() == ["GET /500", "late 500"]


def test_late_keeps_of_one_kind_are_limited(observe: Make) -> None:
    """A token bucket per root name and error type; what is beyond is counted, others are not touched."""
    observed = observe({"OTEL_DISTRO_KEEP_PER_MINUTE": "5"}, sampler=NOTHING)
    for _ in range(20):
        observed.request("/a", 500, children=1)
    observed.request("/b", 500)
    names = observed.names()
    assert 5 <= names.count("GET /a") <= 6
    assert names[-1] == "GET /b"
    assert observed.dropped()["traces", "keep_limit"] == 2 * (20 - names.count("GET /a"))
    assert observed.counts() == {"/a": 20, "/b": 1}


def test_what_was_not_kept_is_counted(observe: Make) -> None:
    """Head-dropped spans are visible in the self-metrics."""
    observed = observe(sampler=NOTHING)
    observed.request("/a", children=2)
    assert observed.dropped() == {("traces", "sampled"): 3}


def test_undecided_spans_are_bounded(observe: Make) -> None:
    """Beyond the byte budget the oldest undecided local trace loses what it held; its root is still judged."""
    observed = observe({"OTEL_DISTRO_UNDECIDED_BYTES": "10KiB"}, sampler=NOTHING)
    first = observed.start("/first")
    for span in [first, *(observed.start("/open") for _ in range(4))]:
        for _ in range(10):
            observed.tracer("app").start_span("child", set_span_in_context(span)).end()
    observed.settle()
    assert observed.pipeline.decider.bytes <= 10 * 1024
    observed.answer(first, 500)
    assert observed.names() == ["GET /first"]
    assert observed.dropped()["traces", "undecided_budget"] >= 10


def test_an_open_trace_that_is_sampled_holds_nothing(observed: Observed) -> None:
    """The finished parts of a long request are exported while it runs."""
    root = observed.start("/stream")
    for _ in range(100):
        observed.tracer("app").start_span("part", set_span_in_context(root)).end()
    assert observed.names() == ["part"] * 100
    assert observed.pipeline.decider.bytes == 0
    root.end()


def test_a_custom_sampler_s_drop_is_final(observe: Make) -> None:
    """Even an error is not kept, nothing is recording, other scopes get the API's own span; metrics still count."""
    observed = observe(sampler=Custom())
    root = observed.tracer().start_span("x", kind=SpanKind.SERVER, attributes={"http.route": "/x"})
    assert not root.is_recording()
    assert not observed.tracer("app").start_span("x").is_recording()
    observed.answer(root, 500)
    assert observed.spans() == []
    assert observed.counts() == {"/x": 1}


def test_a_custom_sampler_decides_for_each_span(observe: Make) -> None:
    """Children are asked for, its attributes are on the span, RECORD_ONLY is recorded and not exported."""
    observed = observe(sampler=Custom())
    root = observed.start("/a")
    inside = set_span_in_context(root)
    spans = {name: observed.tracer("app").start_span(name, inside) for name in ("kept", "recorded", "xout")}
    assert {name: span.is_recording() for name, span in spans.items()} == {
        "kept": True,
        "recorded": True,
        "xout": False,
    }
    for span in spans.values():
        span.end()
    root.end()
    assert [(span.name, span.attributes["by"]) for span in observed.spans()] == [
        ("kept", "custom"),
        ("GET /a", "custom"),
    ]


def test_a_sampler_that_drops_children_late_keeps_none_of_them(observe: Make) -> None:
    """Spans that a parent-based sampler drops below a sampled parent have no root to wait for: they are gone."""
    observed = observe(sampler=ParentBased(TraceIdRatioBased(1.0), local_parent_sampled=ALWAYS_OFF))
    root = observed.start("/a")
    observed.tracer("app").start_span("child", set_span_in_context(root)).end()
    observed.answer(root, 500)
    assert observed.names() == ["GET /a"]
    assert observed.pipeline.decider.bytes == 0


@pytest.mark.parametrize(("sampled", "names"), [(True, ["GET /a"]), (False, [])])
def test_a_caller_s_decision_is_followed(observed: Observed, sampled: bool, names: list[str]) -> None:
    """The parent-based default: an unsampled caller gets no span here, not for an error either; metrics count."""
    root = observed.request("/a", 500, context=remote(sampled=sampled))
    assert observed.names() == names
    assert root.get_span_context().trace_id == 0xABC
    assert root.get_span_context().trace_flags.sampled is sampled
    assert observed.counts() == {"/a": 1}


def test_a_foreign_sampled_flag_forces_no_keep_of_an_own_ratio(observe: Make) -> None:
    """A ratio that is not parent-based decides by the trace id, whatever the caller's flag says."""
    observed = observe(sampler=TraceIdRatioBased(0.0))
    observed.request("/a", context=remote(sampled=True))
    assert observed.spans() == []


def test_an_unsampled_caller_s_failure_is_kept_under_a_ratio(observe: Make) -> None:
    """With a ratio in force the caller's drop is private recording too: the local part of a failure is kept."""
    observed = observe(sampler=NOTHING)
    observed.request("/a", 500, context=remote(sampled=False), children=1)
    assert observed.names() == ["SELECT x", "GET /a"]


def test_a_quiet_request_is_counted_and_not_seen(observed: Observed) -> None:
    """Named quiet by a setting: no span, no child, no line; metrics count it and its queries."""
    observed.request("/health", context=set_value(QUIET, True, Context()), children=2)
    assert observed.spans() == []
    assert observed.logs() == []
    assert observed.counts() == {"/health": 1}
    assert observed.points("db.client.operation.duration")[0].count == 2


def test_a_quiet_request_s_failure_is_not_seen_either(observe: Make) -> None:
    """Quiet is final: no late keep."""
    observed = observe(sampler=NOTHING)
    observed.request("/health", 500, context=set_value(QUIET, True, Context()))
    assert observed.spans() == []


def test_our_ratio_says_its_threshold() -> None:
    """tracestate gets `ot=th:..`, other entries stay, and the choice is by the last 56 bits of the trace id."""
    sampler = ConsistentRatio(0.25)
    low, high = 0xBFFFFFFFFFFFFF, 0xC0000000000000
    assert sampler.should_sample(None, low, "name").decision is Decision.DROP
    result = sampler.should_sample(None, high, "name", trace_state=TraceState([("a", "b")]))
    assert result.decision is Decision.RECORD_AND_SAMPLE
    assert dict(result.trace_state or {}) == {"a": "b", "ot": "th:c"}


@pytest.mark.parametrize(
    ("ratio", "threshold"), [("1", "0"), ("0.5", "8"), ("0.1", "e6666666666666"), ("0.001", "ffbe76c8b43958")]
)
def test_thresholds_are_the_specification_s(ratio: str, threshold: str) -> None:
    """Trailing zeros are cut."""
    root = otel_distro_ratio(ratio)._root  # type: ignore[attr-defined]
    assert dict(root.should_sample(None, (1 << 56) - 1, "name").trace_state) == {"ot": f"th:{threshold}"}


@pytest.mark.parametrize("ratio", ["2", "-1", "much", "nan"])
def test_a_ratio_that_is_none_is_refused(ratio: str) -> None:
    """It is a number from 0 to 1."""
    with pytest.raises(ValueError):  # noqa: PT011 - the number's parser has its own words
        otel_distro_ratio(ratio)


def test_our_ratio_keeps_about_its_share_and_a_late_keep_has_no_threshold(observe: Make) -> None:
    """Weights stay right: what a rule kept carries no `th`."""
    observed = observe(sampler=otel_distro_ratio("0.5"))
    for _ in range(400):
        observed.request("/good")
    states = [dict(span.context.trace_state or {}) for span in observed.spans()]
    assert 120 < len(states) < 280
    assert states == [{"ot": "th:8"}] * len(states)
    dropped = observe(sampler=otel_distro_ratio("0"))
    dropped.request("/bad", 500)
    assert [dict(span.context.trace_state or {}) for span in dropped.spans()] == [{}]


@pytest.mark.parametrize(
    "sampler",
    [TraceIdRatioBased(0.1), ParentBased(TraceIdRatioBased(0.5)), ConsistentRatio(0.1), otel_distro_ratio("0.5")],
    ids=lambda sampler: sampler.get_description(),
)
@given(trace_id=integers(1, 2**128 - 1))
def test_a_root_is_decided_by_its_id_as_its_sampler_would(sampler: Sampler, trace_id: int) -> None:
    """The short way of the built-in ratios gives the decision and the tracestate of the sampler itself."""
    ratio = ratio_of(sampler)
    assert ratio is not None
    asked = sampler.should_sample(Context(), trace_id, "GET /a")
    assert ratio.keeps(trace_id) == (asked.decision is Decision.RECORD_AND_SAMPLE)
    if ratio.keeps(trace_id):
        assert (ratio.state or TraceState()) == (asked.trace_state or TraceState())


def test_a_provider_decides_a_root_as_its_ratio_does(observe: Make) -> None:
    """Its head decision and its tracestate are those of the sampler, for any id."""
    observed = observe(sampler=otel_distro_ratio("0.5"))
    tracer = observed.pipeline.tracer_provider.get_tracer("app")
    for _ in range(50):
        span = tracer.start_span("GET /a")
        context = span.get_span_context()
        asked = ConsistentRatio(0.5).should_sample(Context(), context.trace_id, "GET /a")
        assert context.trace_flags.sampled == (asked.decision is Decision.RECORD_AND_SAMPLE)
        assert context.trace_state == (asked.trace_state or TraceState())
        span.end()


def test_a_sampler_of_the_app_s_own_is_always_asked() -> None:
    """A subclass of a built-in ratio may decide by more than the id."""

    class Own(TraceIdRatioBased):
        """The app's."""

    assert ratio_of(Own(0.1)) is None
    assert ratio_of(ParentBased(Own(0.1))) is None
