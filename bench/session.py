"""What every measurement needs: a database, a sink, and the environments of the variants, checked first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.database import postgres
from bench.environments import say
from bench.error import BenchError
from bench.server import Place
from bench.variants import BARE, OURS, Variant
from bench.wire import Sink


@contextmanager
def place(errors: Path | None = None) -> Iterator[tuple[Place, Sink]]:
    """A database and a sink for as long as the block runs."""
    sink = Sink()
    try:
        with postgres() as database:
            yield Place(database, sink.stub, sink.port, errors), sink
    finally:
        sink.stop()


def ready(variants: Sequence[Variant]) -> tuple[list[Variant], list[str]]:
    """Make the environments; a peer that can't be installed is named, bare and ours are a must."""
    missing = {variant.name: reason for variant in variants if (reason := _missing(variant))}
    return [variant for variant in variants if variant.name not in missing], list(missing.values())


def _missing(variant: Variant) -> str:
    try:
        variant.environment.ready()
    except BenchError as error:
        if variant in (BARE, OURS):
            raise
        reason = f"{variant.name} can't be installed: {str(error).strip().splitlines()[-1]}"
        say(f"MISSING: {reason}")
        return reason
    return ""
