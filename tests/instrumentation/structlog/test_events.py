"""structlog's events, as a user runs them: each test is one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.logs.instrumented import Outcome, run

STDLIB = """
import logging, structlog
logging.basicConfig(level=logging.INFO, format="APP %(message)s")
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
        LAST,
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
    logger_factory=structlog.stdlib.LoggerFactory(),
)
log = structlog.get_logger("shop.cart").bind(cart=7)
log.debug("too low")
log.info("sold %d", 3, price=1.5)
try:
    raise LookupError("gone")
except LookupError:
    log.exception("failed")
"""
LASTS = (
    "structlog.processors.JSONRenderer()",
    "structlog.stdlib.ProcessorFormatter.wrap_for_formatter",
    "structlog.stdlib.render_to_log_kwargs",
)


def script(text: str) -> str:
    """A script that uses structlog."""
    return f"import structlog, sys\nlog = structlog.get_logger()\n{text}"


def check_sold(done: Outcome) -> None:
    """One line and one record of the event, with its values."""
    (line,), (record,) = done.printed("sold 3"), done.sent("sold 3")
    assert (line["level"], line["logger"], line["cart"], line["price"]) == ("INFO", "shop.cart", 7, 1.5)
    assert (record.scope, record.severity, record.attributes["cart"]) == ("shop.cart", 9, 7)
    assert record.attributes["code.line.number"] == 20


def test_default_configuration(tmp_path: Path) -> None:
    """Without any configuration an event is one JSON line and one record, with bound and given values."""
    done = run(script('log.bind(cart=7).info("sold", items=[1, 2])'), tmp_path)
    (line,) = done.lines
    assert (line["level"], line["logger"], line["message"]) == ("INFO", "__main__", "sold")
    assert (line["cart"], line["items"], line["line"]) == (7, [1, 2], 3)
    (record,) = done.sent("sold")
    assert (record.attributes["cart"], record.attributes["items"]) == (7, [1, 2])
    assert done.stderr == ""


def test_app_format_prints_as_structlog_does(tmp_path: Path) -> None:
    """With OTEL_DISTRO_LOG_FORMAT=app structlog prints, and the event is exported."""
    done = run(script('log.info("sold", item=1)'), tmp_path, OTEL_DISTRO_LOG_FORMAT="app")
    assert "[info     ] sold" in done.stdout
    assert len(done.sent("sold")) == 1


def test_an_exception_is_an_error_with_its_stack(tmp_path: Path) -> None:
    """`log.exception` has level ERROR, and type, message and stack of the exception."""
    done = run(
        script('try:\n    raise LookupError("gone")\nexcept LookupError:\n    log.exception("failed")'), tmp_path
    )
    (line,) = done.lines
    assert (line["level"], line["exception_type"], line["exception_message"]) == ("ERROR", "LookupError", "gone")
    assert line["stacktrace"].startswith("Traceback")
    assert "exception" not in line


@pytest.mark.parametrize("last", LASTS)
def test_events_that_feed_the_standard_library(last: str, tmp_path: Path) -> None:
    """Through logging, whatever the renderer: no doubles, values survive, levels of logging decide."""
    done = run(STDLIB.replace("LAST", last), tmp_path)
    check_sold(done)
    assert [record.body for record in done.records] == ["sold 3", "failed"]
    assert done.records[1].attributes["exception.type"] == "LookupError"
    assert done.stderr == ""


def test_configuration_with_a_filtering_logger(tmp_path: Path) -> None:
    """What the filtering bound logger suppresses is not recorded; values of processors are kept."""
    done = run(
        """
        import logging, structlog
        structlog.contextvars.bind_contextvars(tenant="t")
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.EventRenamer("msg"),
                structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            logger_factory=structlog.WriteLoggerFactory(),
            cache_logger_on_first_use=True,
        )
        log = structlog.get_logger()
        log.info("too low")
        log.warning("kept")
        """,
        tmp_path,
    )
    assert [(line["message"], line["tenant"], line["line"]) for line in done.lines] == [("kept", "t", 17)]
    assert [record.body for record in done.records] == ["kept"]


def test_what_a_processor_drops_or_masks_is_so(tmp_path: Path) -> None:
    """A dropped event is nowhere; a masked value is masked on the console and in the record."""
    done = run(
        script(
            """
def mask(logger, method, values):
    if values["event"] == "drop":
        raise structlog.DropEvent
    return {**values, "card": "***"}
structlog.configure(processors=[mask, structlog.processors.JSONRenderer()])
log.info("drop")
log.info("paid", card="4242")
"""
        ),
        tmp_path,
    )
    assert [(line["message"], line["card"]) for line in done.lines] == [("paid", "***")]
    assert [record.attributes["card"] for record in done.records] == ["***"]


def test_files_and_captures_are_untouched(tmp_path: Path) -> None:
    """A logger that prints to a file does so, with the caller's line; `capture_logs` captures and that is all."""
    done = run(
        script(
            """
with structlog.testing.capture_logs() as captured:
    log.info("captured")
place = structlog.processors.CallsiteParameterAdder([structlog.processors.CallsiteParameter.LINENO])
structlog.configure(
    processors=[place, structlog.processors.JSONRenderer()],
    logger_factory=structlog.PrintLoggerFactory(open("out", "w")),
)
log.info("to a file")
print(captured)
"""
        ),
        tmp_path,
    )
    assert (tmp_path / "out").read_text() == '{"event": "to a file", "lineno": 11}\n'
    assert done.stdout == "[{'event': 'captured', 'log_level': 'info'}]\n"
    assert [record.body for record in done.records] == ["to a file"]


def test_async_methods(tmp_path: Path) -> None:
    """`await log.ainfo()` is recorded where it was awaited."""
    done = run(
        script(
            """
import asyncio
async def sell():
    await log.ainfo("sold")
async def main():
    await sell()
asyncio.run(main())
"""
        ),
        tmp_path,
    )
    (line,) = done.printed("sold")
    assert (line["function"], line["logger"]) == ("sell", "__main__")


def test_odd_events(tmp_path: Path) -> None:
    """Events that are no text, unprintable values and failing renderers are recorded; errors stay the app's."""
    done = run(
        script(
            """
class Reluctant:
    def __repr__(self):
        raise RuntimeError("no")
    def __deepcopy__(self, memo):
        raise RuntimeError("no")
structlog.configure(processors=[structlog.processors.JSONRenderer()])
log.info({"an": "event"}, value=Reluctant())
def fails(logger, method, values):
    raise ValueError("renderer")
structlog.configure(processors=[fails])
try:
    log.info("fails")
except ValueError as error:
    print("the app sees", error)
"""
        ),
        tmp_path,
    )
    assert [record.body for record in done.records] == ["{'an': 'event'}", "fails"]
    assert done.records[0].attributes["value"] == "<unprintable: RuntimeError>"
    assert "the app sees renderer" in done.stdout
