"""Our httpx instrumentation has taken over upstream's instrumentor and transports; it is off until called."""

from __future__ import annotations

import httpx  # noqa: F401 - what is watched
import opentelemetry.instrumentation.httpx  # noqa: F401 - it is taken over where it is imported

from otel_distro.instrumentation.httpx import HttpxInstrumentor

HttpxInstrumentor().instrument()
HttpxInstrumentor().pause()
