"""A `QueueHandler` and its listener, as a user runs them: each test is one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.logs.instrumented import run

SCRIPT = """
    import logging, queue, sys
    from logging.handlers import QueueHandler, QueueListener
    from opentelemetry import trace
    lines = queue.Queue()
    logging.basicConfig(level=logging.INFO, handlers=[QueueHandler(lines)])
    out = logging.StreamHandler(sys.stdout)
    file = logging.FileHandler("app.log")
    file.setFormatter(logging.Formatter("FILE %(message)s"))
    listener = QueueListener(lines, out, file)
    listener.start()
    with trace.get_tracer("t").start_as_current_span("work"):
        LOG
    listener.stop()
"""
STDLIB = 'logging.getLogger("shop").info("sold %d", 3, extra={"order": 7, "raw": b"x", "ids": [1]})'
STRUCTLOG = """import structlog
        structlog.configure(processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
                            logger_factory=structlog.stdlib.LoggerFactory())
        structlog.get_logger("shop").info("sold 3", order=7)"""


@pytest.mark.parametrize("log", [STDLIB, STRUCTLOG])
def test_a_listeners_line_has_the_ids_of_where_it_was_logged(log: str, tmp_path: Path) -> None:
    """The listener's console handler prints one line of ours, with ids and values; it is exported once."""
    done = run(SCRIPT.replace("LOG", log), tmp_path)
    (line,), (record,) = done.printed("sold 3"), done.sent("sold 3")
    assert done.stdout.count("sold 3") == 1
    assert line["trace_id"] == record.trace_id
    assert int(line["trace_id"], 16)
    assert (line["logger"], line["order"], line["service"]) == ("shop", 7, "shop")
    assert "FILE" in (tmp_path / "app.log").read_text()


def test_an_exception_through_a_queue(tmp_path: Path) -> None:
    """Its stack is printed and sent once, as a field of its own."""
    log = "try:\n            1 / 0\n        except ZeroDivisionError:\n            logging.exception('failed')"
    done = run(SCRIPT.replace("LOG", log), tmp_path)
    (line,), (record,) = done.printed("failed"), done.sent("failed")
    assert line["exception_type"] == record.attributes["exception.type"] == "ZeroDivisionError"
    assert "1 / 0" in line["stacktrace"]
    assert "1 / 0" in record.attributes["exception.stacktrace"]


def test_what_a_listeners_formatter_masks_is_masked_on_the_console(tmp_path: Path) -> None:
    """Our line is made where the listener prints."""
    mask = (
        "class Mask(logging.Formatter):\n"
        "        def format(self, record):\n"
        "            return super().format(record).replace('4242', '***')\n"
        "    out.setFormatter(Mask())\n    listener ="
    )
    done = run(SCRIPT.replace("listener =", mask, 1).replace("LOG", 'logging.info("paid by %s", "4242")'), tmp_path)
    (line,) = done.lines
    assert line["message"].endswith("paid by ***")
    assert "4242" not in done.stdout
