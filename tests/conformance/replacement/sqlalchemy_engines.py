"""Our SQLAlchemy instrumentation has taken over upstream's `SQLAlchemyInstrumentor`; it is off until called."""

from __future__ import annotations

import opentelemetry.instrumentation.sqlalchemy  # noqa: F401 - it is taken over where it is imported

from otel_distro.instrumentation.sqlalchemy import SqlalchemyInstrumentor

SqlalchemyInstrumentor().instrument()
SqlalchemyInstrumentor().pause()
