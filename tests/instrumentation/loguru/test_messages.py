"""loguru's messages, as a user runs them: each test is one process."""

from __future__ import annotations

from pathlib import Path

from tests.logs.instrumented import run


def script(text: str) -> str:
    """A script that uses loguru."""
    return f"import logging, sys\nfrom loguru import logger\n{text}"


def test_default_configuration(tmp_path: Path) -> None:
    """Without any configuration a message is one JSON line and one record, with its values; stderr is empty."""
    done = run(
        script(
            """
def sell():
    logger.bind(cart=7).info("sold {} {what}", 3, what="hats")
with logger.contextualize(tenant="t"):
    sell()
"""
        ),
        tmp_path,
    )
    (line,) = done.lines
    assert (line["level"], line["logger"], line["message"]) == ("INFO", "__main__", "sold 3 hats")
    assert (line["cart"], line["tenant"], line["function"], line["line"]) == (7, "t", "sell", 5)
    (record,) = done.records
    assert (record.body, record.attributes["cart"]) == ("sold 3 hats", 7)
    assert done.stderr == ""


def test_levels(tmp_path: Path) -> None:
    """loguru's own levels and custom ones keep their names and their order."""
    done = run(
        script(
            """
logger.add(sys.stderr, level=0)
logger.level("NOTICE", no=22)
for level in ("TRACE", "SUCCESS", "NOTICE", 33, "CRITICAL"):
    logger.log(level, "x")
"""
        ),
        tmp_path,
    )
    found = [(record.level, record.severity) for record in done.records]
    assert found == [("TRACE", 4), ("SUCCESS", 12), ("NOTICE", 11), ("Level 33", 16), ("CRITICAL", 21)]
    assert len(done.lines) == 5


def test_app_format_prints_as_loguru_does(tmp_path: Path) -> None:
    """With OTEL_DISTRO_LOG_FORMAT=app loguru prints, with the right caller, and the message is exported."""
    done = run(script('logger.info("sold")'), tmp_path, OTEL_DISTRO_LOG_FORMAT="app")
    assert "| INFO     | __main__:<module>:3 - sold" in done.stderr
    assert len(done.sent("sold")) == 1


def test_sinks_replaced_by_the_app(tmp_path: Path) -> None:
    """After remove() and configure(): console sinks become our lines, by their level and filter; files stay theirs."""
    done = run(
        script(
            """
logger.remove()
logger.configure(
    handlers=[
        {"sink": sys.stdout, "level": "WARNING", "filter": lambda record: "no" not in record["message"]},
        {"sink": "app.log", "format": "{name}:{function}:{line} {message} {extra}"},
    ],
    extra={"shop": 1},
    patcher=lambda record: record["extra"].update(patched=True),
)
logger.info("file only")
logger.warning("both")
logger.warning("no")
"""
        ),
        tmp_path,
    )
    assert [(line["message"], line["shop"], line["patched"]) for line in done.lines] == [("both", 1, True)]
    assert [record.body for record in done.records] == ["file only", "both", "no"]
    assert done.stdout.count("both") == 1
    assert (tmp_path / "app.log").read_text().splitlines()[0] == (
        "__main__:<module>:13 file only {'shop': 1, 'patched': True}"
    )


def test_below_all_levels_or_disabled_is_not_recorded(tmp_path: Path) -> None:
    """The app's own levels hold: what no sink would take, and what `disable` silences, is not exported."""
    done = run(
        script(
            """
logger.remove()
logger.info("no sink")
logger.add(sys.stderr, level="WARNING")
logger.info("too low")
logger.disable("__main__")
logger.error("disabled")
"""
        ),
        tmp_path,
    )
    assert (done.lines, done.records) == ([], [])


def test_exceptions(tmp_path: Path) -> None:
    """`logger.exception`, and `@logger.catch`, have type, message and stack, and the place of the call."""
    done = run(
        script(
            """
@logger.catch
def fails():
    raise LookupError("gone")
def sell():
    try:
        raise KeyError("k")
    except KeyError:
        logger.exception("failed")
sell()
fails()
"""
        ),
        tmp_path,
    )
    first, second = done.lines
    assert (first["message"], first["exception_type"], first["function"]) == ("failed", "KeyError", "sell")
    assert (second["level"], second["exception_type"]) == ("ERROR", "LookupError")
    assert 'raise LookupError("gone")' in second["stacktrace"]


def test_logging_intercepted_by_loguru(tmp_path: Path) -> None:
    """The InterceptHandler recipe of loguru's README: one record, one line, and the recipe finds the same caller."""
    done = run(
        script(
            """
import inspect
class InterceptHandler(logging.Handler):
    def emit(self, record):
        try:
            level = logger.level(record.levelname).name
        except ValueError:
            level = record.levelno
        frame, depth = inspect.currentframe(), 0
        while frame and (depth == 0 or frame.f_code.co_filename == logging.__file__):
            frame = frame.f_back
            depth += 1
        logger.opt(depth=depth, exception=record.exc_info).log(level, record.getMessage())
logging.basicConfig(handlers=[InterceptHandler()], level=0, force=True)
logger.add("app.log", format="{name}:{function}:{line} {message}")
def sell():
    logging.getLogger("shop").info("sold %d", 3, extra={"cart": 7})
sell()
"""
        ),
        tmp_path,
    )
    (line,), (record,) = done.printed("sold 3"), done.sent("sold 3")
    assert (line["logger"], line["cart"], line["function"]) == ("shop", 7, "sell")
    assert record.attributes["cart"] == 7
    assert "__main__:sell:19 sold 3" in (tmp_path / "app.log").read_text()


def test_loguru_propagated_to_logging(tmp_path: Path) -> None:
    """The PropagateHandler recipe: a message that a sink hands to logging is one record and one line."""
    done = run(
        script(
            """
class PropagateHandler(logging.Handler):
    def emit(self, record):
        logging.getLogger(record.name).handle(record)
logging.basicConfig(level=logging.INFO)
logger.remove()
logger.add(PropagateHandler(), format="{message}")
logger.bind(cart=7).info("sold")
"""
        ),
        tmp_path,
    )
    assert [line["cart"] for line in done.printed("sold")] == [7]
    assert len(done.sent("sold")) == 1


def test_errors_in_sinks_are_reported_by_loguru(tmp_path: Path) -> None:
    """A sink that raises is reported by loguru as before, and the message is recorded."""
    done = run(
        script(
            """
def sink(message):
    raise ValueError("sink")
logger.add(sink)
logger.info("sold")
"""
        ),
        tmp_path,
    )
    assert "Logging error in Loguru Handler" in done.stderr
    assert len(done.sent("sold")) == 1
