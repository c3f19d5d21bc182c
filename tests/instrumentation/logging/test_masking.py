"""What the app's own formatters mask is masked on our console and in what is exported: each test is one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.logs.instrumented import Outcome, run

STDLIB = """
    import json, logging, re, sys
    class Mask(logging.Formatter):
        def format(self, record):
            return re.sub("(42)+", "***", super().format(record))
    class InPlace(logging.Formatter):
        def format(self, record):
            record.msg, record.args = re.sub("(42)+", "***", record.getMessage()), ()
            return super().format(record)
    class Json(logging.Formatter):
        def format(self, record):
            text = record.getMessage().replace("4242", "***")
            return json.dumps({"event": text, "card": "***", "order": record.order})
    handler = HANDLER
    handler.setFormatter(FORMATTER)
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("shop").info("paid by %s", "4242", extra={"card": "4242", "order": 7})
"""
FAILS = """
    number = "42" * 2
    try:
        raise ValueError(number)
    except ValueError:
        logging.exception("failed")
"""
STRUCTLOG = """
    import logging, structlog, sys
    def mask(logger, method, values):
        return {key: "***" if "4242" in str(value) and key[0] != "_" else value for key, value in values.items()}
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
        processors=[
            mask, structlog.stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer(),
        ],
    ))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger, logger_factory=structlog.stdlib.LoggerFactory(),
    )
    structlog.get_logger("shop").info("paid", card="4242", order=7)
    logging.getLogger("shop").info("foreign", extra={"card": "4242", "order": 7})
    logging.getLogger("shop").info("foreign 4242")
"""


def nowhere(secret: str, done: Outcome) -> None:
    """The secret is neither printed nor sent."""
    assert secret not in done.stdout + done.stderr
    assert done.records
    for record in done.records:
        assert secret not in record.body + str(record.attributes)


@pytest.mark.parametrize("form", ["auto", "app"])
@pytest.mark.parametrize("handler", ["logging.StreamHandler()", "logging.FileHandler('app.log')"])
@pytest.mark.parametrize(
    "formatter", ["Mask('F %(levelname)s %(message)s %(card)s')", "InPlace('F %(message)s')", "Json()"]
)
def test_what_a_formatter_masks(formatter: str, handler: str, form: str, tmp_path: Path) -> None:
    """A formatter class of the app's masks: the message is its text, values it does not show are left out."""
    script = STDLIB.replace("HANDLER", handler).replace("FORMATTER", formatter)
    done = run(script, tmp_path, OTEL_DISTRO_LOG_FORMAT=form)
    nowhere("4242", done)
    (record,) = done.records
    assert record.attributes["order"] == 7
    assert record.body == (
        '{"event": "paid by ***", "card": "***", "order": 7}' if "Json" in formatter else "paid by ***"
    )


def test_a_formatter_that_masks_nothing_changes_nothing(tmp_path: Path) -> None:
    """Other people's formatters write as they like; our line keeps message and values."""
    head, call, tail = STDLIB.rpartition("    logging.getLogger")
    script = head + call + tail.replace("4242", "x")
    done = run(script.replace("HANDLER", "logging.StreamHandler()").replace("FORMATTER", "Json()"), tmp_path)
    (line,) = done.printed("paid by x")
    assert line["order"] == 7


def test_an_exception_that_a_formatter_masks(tmp_path: Path) -> None:
    """The stack is the formatter's text, when that names the exception without its message."""
    script = STDLIB.rpartition("    logging.getLogger")[0] + FAILS
    script = script.replace("HANDLER", "logging.StreamHandler()").replace("FORMATTER", "Mask()")
    done = run(script, tmp_path)
    nowhere("4242", done)
    (record,) = done.sent("failed")
    assert record.attributes["exception.type"] == "ValueError"
    assert "ValueError: ***" in record.attributes["exception.stacktrace"]


@pytest.mark.parametrize("form", ["auto", "app"])
def test_what_structlogs_formatter_masks(form: str, tmp_path: Path) -> None:
    """Processors of a `ProcessorFormatter` mask structlog's events and the standard library's lines."""
    done = run(STRUCTLOG, tmp_path, OTEL_DISTRO_LOG_FORMAT=form)
    nowhere("4242", done)
    assert [record.body for record in done.records] == ["paid", "foreign", "***"]
    for record in done.records[:2]:
        assert (record.attributes["card"], record.attributes["order"]) == ("***", 7)
        assert "code.line.number" in record.attributes
    assert len(done.lines) == 3
