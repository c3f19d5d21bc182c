"""On an interpreter's path: makes `opentelemetry.sdk.trace.TracerProvider` ours, in its child processes too."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec

MODULE = "opentelemetry.sdk.trace"


class Replacement:
    """A finder that lets the real module load, once, and then changes one name in it."""

    @classmethod
    def find_spec(cls, name: str, path: Sequence[str] | None, target: Any = None) -> ModuleSpec | None:
        """The real spec, with a loader that replaces the provider afterwards."""
        if name != MODULE:
            return None
        sys.meta_path.remove(cls)  # type: ignore[arg-type]
        spec = find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        load = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            load(module)
            from otel_distro.pipeline.tracer import TracerProvider

            module.TracerProvider = TracerProvider

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Replacement)  # type: ignore[arg-type]
