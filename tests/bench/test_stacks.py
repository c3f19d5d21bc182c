"""Profiles: whose CPU a sample is."""

from __future__ import annotations

from bench.stacks import threads_of

APP = "get_item (/venv/lib/python3.11/site-packages/fastapi/routing.py)"
OURS = "watched.<locals>.call (/venv/lib/python3.11/site-packages/otel_distro/instrumentation/asgi/server.py)"
SPAN = "Tracer.start_span (/venv/lib/python3.11/site-packages/otel_distro/pipeline/tracer.py)"
STDLIB = "attach (/usr/lib/python3.11/contextvars.py)"


def folded(*lines: tuple[list[str], int]) -> str:
    return "\n".join(f"{';'.join(frames)} {count}" for frames, count in lines)


def test_the_application_below_our_wrappers_is_the_applications() -> None:
    """Only the sample whose innermost library frame is ours is telemetry's, with the standard library it called."""
    (thread,) = threads_of(
        folded((["thread (7): MainThread", OURS, APP], 6), (["thread (7): MainThread", APP, OURS, SPAN, STDLIB], 2)),
        {"7": 80.0},
    )
    assert thread.samples == 8
    assert dict(thread.own) == {"Tracer.start_span (otel_distro/pipeline/tracer.py)": 2}
    assert dict(thread.inclusive) == {
        "Tracer.start_span (otel_distro/pipeline/tracer.py)": 2,
        "watched.<locals>.call (otel_distro/instrumentation/asgi/server.py)": 2,
    }
    assert next(thread.lines(5)) == "\nMainThread: 80 µs/request, of it telemetry 20 (8 samples)"


def test_threads_come_with_the_busiest_first() -> None:
    """By the kernel's CPU, not by samples."""
    found = threads_of(folded((["thread (1): a", APP], 9), (["thread (2): b", APP], 1)), {"1": 5.0, "2": 50.0})
    assert [thread.name for thread in found] == ["b", "a"]
