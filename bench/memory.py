"""Memory over a long run: what is resident after so many requests, and how it grows over the last of them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from statistics import linear_regression

from bench.environments import say
from bench.server import Place, Server
from bench.variants import BARE, Variant
from bench.wire import send

STEP = 2000
_LONGEST = 300.0


def measure(variants: Sequence[Variant], place: Place, requests: int, last: int) -> dict[str, dict[str, float]]:
    """All grow in turns of 2,000 requests; `slope_mb` is the trend's rise over the last requests."""
    samples: dict[str, list[tuple[int, float]]] = {variant.name: [] for variant in variants}
    with ExitStack() as stack:
        servers = {variant.name: stack.enter_context(Server(variant, place)) for variant in variants}
        for done in range(STEP, requests + 1, STEP):
            for name, server in servers.items():
                send(server.port, seconds=_LONGEST, requests=STEP)
                samples[name].append((done, server.rss()))
            say(f"{done} requests: " + ", ".join(f"{name} {found[-1][1]:.1f} MB" for name, found in samples.items()))
    base = samples[BARE.name][-1][1]
    return {
        name: {
            "rss_mb": round(found[-1][1], 1),
            "over_bare_mb": round(found[-1][1] - base, 1),
            "slope_mb": round(slope(found, requests - last) * last, 2),
        }
        for name, found in samples.items()
    }


def slope(samples: Sequence[tuple[int, float]], after: int) -> float:
    """Megabytes per request, by the trend of the samples (two at least) after so many requests."""
    late = [(done, rss) for done, rss in samples if done >= after]
    return linear_regression([done for done, _ in late], [rss for _, rss in late]).slope
