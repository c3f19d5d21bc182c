"""Where the extension was not built there is nothing to compare: the summary says so, loudly."""

from __future__ import annotations

import pytest

from otel_distro.native import extension

MISSING = extension() is None
collect_ignore = ["test_declined.py", "test_hostile.py", "test_memory.py", "test_twins.py"] if MISSING else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say that it was not checked."""
    if MISSING:
        text = "NOT CHECKED: the native encoders, since they were not built here (see docs/limits.md)"
        terminalreporter.write_line(text, yellow=True, bold=True)
