"""What a program that logs prints, as a user runs it: each test is one process."""

from __future__ import annotations

from pathlib import Path

from tests.logs.instrumented import run

BASIC = """
    import logging
    logging.basicConfig(level=logging.INFO, format="APP %(message)s")
    logging.getLogger("shop").info("sold %d", 3, extra={"order": 7})
"""


def test_a_console_line_is_one_json_object_with_ids_service_and_extras(tmp_path: Path) -> None:
    """With basicConfig, the app's line becomes one JSON line on stdout, and nothing is left on stderr."""
    done = run(BASIC, tmp_path)
    (line,) = done.lines
    assert list(line)[:4] == ["timestamp", "level", "logger", "message"]
    assert (line["level"], line["logger"], line["message"], line["order"]) == ("INFO", "shop", "sold 3", 7)
    assert (line["service"], line["version"], line["environment"]) == ("shop", "1.2", "test")
    assert line["timestamp"].endswith("Z")
    assert "trace_id" not in line
    assert done.stderr == ""


def test_the_same_record_is_exported(tmp_path: Path) -> None:
    """The record that was printed is sent by OTLP with its values as attributes, once."""
    (record,) = run(BASIC, tmp_path).sent("sold 3")
    assert (record.scope, record.level, record.severity) == ("shop", "INFO", 9)
    assert record.attributes["order"] == 7
    assert record.attributes["code.line.number"] == 4
    assert record.attributes["code.file.path"].endswith("app.py")


def test_text_lines_are_readable(tmp_path: Path) -> None:
    """In text format a line has time, level, logger, message and values, without colours outside of a terminal."""
    done = run(BASIC, tmp_path, OTEL_DISTRO_LOG_FORMAT="text")
    assert done.stdout.split(" ", 1)[1] == "INFO     shop: sold 3 order=7\n"


def test_app_format_leaves_the_apps_lines_alone(tmp_path: Path) -> None:
    """With OTEL_DISTRO_LOG_FORMAT=app the app's own handler prints, and the record is exported all the same."""
    done = run(BASIC, tmp_path, OTEL_DISTRO_LOG_FORMAT="app")
    assert (done.stdout, done.stderr) == ("", "APP sold 3\n")
    assert len(done.sent("sold 3")) == 1


def test_without_configuration_warnings_are_printed_as_before(tmp_path: Path) -> None:
    """Python's last resort: WARNING and above are printed, INFO is not."""
    done = run(
        """
        import logging
        logging.getLogger("shop").info("not seen")
        logging.getLogger("shop").warning("seen")
        """,
        tmp_path,
    )
    assert [line["message"] for line in done.lines] == ["seen"]
    assert done.stderr == ""
    assert [record.body for record in done.records] == ["seen"]


def test_log_level_sets_and_keeps_the_root_level(tmp_path: Path) -> None:
    """LOG_LEVEL wins over a level set in code, and prints also where the app has no handler."""
    done = run(
        """
        import logging
        logging.getLogger("shop").debug("before")
        logging.basicConfig(level=logging.ERROR)
        logging.getLogger("shop").debug("after")
        """,
        tmp_path,
        LOG_LEVEL="debug",
    )
    assert [line["message"] for line in done.lines if line["logger"] == "shop"] == ["before", "after"]


def test_an_unknown_log_level_is_named_and_ignored(tmp_path: Path) -> None:
    """One line says which setting is wrong; the app runs as without it."""
    done = run(BASIC, tmp_path, LOG_LEVEL="loud")
    assert (done.stdout + done.stderr).count("LOG_LEVEL='loud' is ignored") == 1
    assert len(done.printed("sold 3")) == 1


def test_logger_that_does_not_propagate_and_dictconfig(tmp_path: Path) -> None:
    """dictConfig with propagate=False, as uvicorn does it: one line, and a file handler gets its own format."""
    done = run(
        """
        import logging.config
        logging.config.dictConfig({
            "version": 1, "disable_existing_loggers": True,
            "formatters": {"f": {"format": "FILE %(message)s"}},
            "handlers": {
                "out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"},
                "file": {"class": "logging.FileHandler", "filename": "app.log", "formatter": "f"},
            },
            "loggers": {"shop": {"handlers": ["out", "file"], "level": "INFO", "propagate": False}},
        })
        logging.getLogger("shop.cart").info("configured")
        """,
        tmp_path,
    )
    assert [line["message"] for line in done.lines] == ["configured"]
    assert (tmp_path / "app.log").read_text() == "FILE configured\n"
    assert len(done.sent("configured")) == 1


def test_handlers_taken_away_as_celery_does(tmp_path: Path) -> None:
    """`root.handlers = []` and a new handler: nothing is lost, nothing doubled."""
    done = run(
        """
        import logging, sys
        logging.basicConfig(level=logging.INFO)
        root = logging.getLogger()
        root.handlers = []
        root.addHandler(logging.StreamHandler(sys.__stderr__))
        logging.getLogger("shop").info("hijacked")
        """,
        tmp_path,
    )
    assert len(done.printed("hijacked")) == len(done.sent("hijacked")) == 1
    assert done.stderr == ""


def test_levels_and_filters_of_console_handlers_decide(tmp_path: Path) -> None:
    """A record that no console handler would take is exported, not printed; what a filter adds is kept."""
    done = run(
        """
        import logging
        class Shift(logging.Filter):
            def filter(self, record):
                record.shift = "night"
                return "secret" not in record.getMessage()
        handler = logging.StreamHandler()
        handler.setLevel(logging.WARNING)
        handler.addFilter(Shift())
        logging.basicConfig(level=logging.DEBUG, handlers=[handler])
        for say in (logging.info, logging.warning):
            say("plain")
            say("secret")
        """,
        tmp_path,
    )
    assert [(line["level"], line["message"], line["shift"]) for line in done.lines] == [("WARNING", "plain", "night")]
    assert [(record.level, record.body) for record in done.records] == [
        ("INFO", "plain"),
        ("INFO", "secret"),
        ("WARNING", "plain"),
        ("WARNING", "secret"),
    ]


def test_null_handlers_print_nothing(tmp_path: Path) -> None:
    """A library's NullHandler silences the last resort, as before."""
    done = run(
        """
        import logging
        logging.getLogger("lib").addHandler(logging.NullHandler())
        logging.getLogger("lib").warning("quiet")
        """,
        tmp_path,
    )
    assert done.lines == []
    assert len(done.sent("quiet")) == 1


def test_errors_are_on_the_console_before_the_process_dies(tmp_path: Path) -> None:
    """An ERROR line is written at call time: even `os._exit` right after it does not lose it."""
    done = run(
        """
        import logging, os
        logging.error("last words")
        os._exit(3)
        """,
        tmp_path,
    )
    assert done.code == 3
    assert len(done.printed("last words")) == 1


def test_what_was_printed_comes_before_what_was_logged(tmp_path: Path) -> None:
    """A handler on stdout flushes it, as it did: print() is not held back behind log lines."""
    done = run(
        """
        import logging, sys
        logging.basicConfig(stream=sys.stdout, level=logging.INFO)
        print("printed")
        logging.error("logged")
        """,
        tmp_path,
    )
    first, second = done.stdout.splitlines()
    assert first == "printed"
    assert '"logged"' in second


def test_closed_stdout_is_survived(tmp_path: Path) -> None:
    """A program that closed its stdout logs on without an exception, and its records are exported."""
    done = run(
        """
        import logging, os
        os.close(1)
        logging.error("nobody hears")
        """,
        tmp_path,
    )
    assert done.code == 0
    assert len(done.sent("nobody hears")) == 1


def test_python_warnings_stay_what_they_are(tmp_path: Path) -> None:
    """`warnings.warn` prints to stderr as without us."""
    done = run("import warnings; warnings.warn('old')", tmp_path)
    assert "UserWarning: old" in done.stderr
    assert done.lines == []


def test_forked_children_print_and_export(tmp_path: Path) -> None:
    """Parent and forked child each print their line once, whole, and export it once."""
    done = run(
        """
        import logging, os, sys
        logging.warning("parent")
        child = os.fork()
        if child == 0:
            logging.warning("child")
            sys.exit(0)
        os.waitpid(child, 0)
        """,
        tmp_path,
    )
    assert sorted(line["message"] for line in done.lines) == ["child", "parent"]
    assert sorted(record.body for record in done.records) == ["child", "parent"]


def test_device_files_of_containers_are_the_console(tmp_path: Path) -> None:
    """A FileHandler on /dev/stderr, as containers have it, is a console handler too: no second line."""
    done = run(
        """
        import logging
        logging.basicConfig(level=logging.INFO, handlers=[logging.FileHandler("/dev/stderr")])
        logging.info("once")
        """,
        tmp_path,
    )
    assert len(done.printed("once")) == 1
    assert done.stderr == ""


def test_rich_is_the_console(tmp_path: Path) -> None:
    """rich's handler has a console of its own that ends in stdout: our line takes its place."""
    done = run(
        """
        import logging
        from rich.logging import RichHandler
        logging.basicConfig(level=logging.INFO, handlers=[RichHandler()])
        logging.info("once")
        """,
        tmp_path,
    )
    assert len(done.printed("once")) == 1
    assert done.stdout.count("once") == 1


def test_celerys_own_set_up(tmp_path: Path) -> None:
    """A worker's logging: task lines, and what tasks print, are one line and one record each, without a loop."""
    done = run(
        """
        import logging
        from celery import Celery
        from celery.utils.log import get_task_logger
        logging.basicConfig(level=logging.INFO)
        app = Celery(broker="memory://")
        app.log.setup(loglevel="INFO", redirect_stdouts=True)
        get_task_logger("shop.tasks").info("task line")
        logging.getLogger("shop").info("app line")
        print("printed by a task")
        """,
        tmp_path,
    )
    for message in ("task line", "app line", "printed by a task"):
        assert len(done.printed(message)) == len(done.sent(message)) == 1
    assert done.stderr == ""
