"""`otel-distro settings`: every environment variable we read, as a page or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from otel_distro.cli.page import add_page_options, code, deliver, document, table
from otel_distro.cli.terminal import say_json
from otel_distro.config import SETTINGS
from otel_distro.config_otlp import OTLP_SETTINGS
from otel_distro.config_upstream import HONOURED

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from otel_distro.config_otlp import Setting

HEAD = """# Settings

Generated from `otel_distro/config.py` by `make docs`: edit the settings, not this page.

All settings are environment variables, read once at start. One that can't be understood is named in a
warning, and its default is used. Sizes take `KiB`, `MiB` or `GiB`; lists are divided by commas; switches
take `true` or `false`."""
OTLP_HEAD = """Each of these may be set for one signal alone: put `TRACES_`, `METRICS_` or `LOGS_` after
`OTLP_`, as in `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`. The general endpoint gets `/v1/traces`, `/v1/metrics` or
`/v1/logs` appended; one for a signal is used as it is. By grpc an endpoint has no path."""

UPSTREAM_HEAD = """Others read these; they mean here what they mean there. `docs/limits.md` names the few standard
variables that have no effect."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `settings`."""
    parser = commands.add_parser("settings", help="print the reference of all environment variables")
    add_page_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print, write or check the page."""
    if arguments.json:
        say_json(declared())
        return 0
    return deliver(page(), arguments)


def declared() -> dict[str, Any]:
    """Every setting, as plain data; none of their values."""
    rows = [*SETTINGS.values(), *OTLP_SETTINGS.values()]
    keys = ("name", "default", "brief", "secret", "standard")
    return {"settings": [{key: getattr(setting, key) for key in keys} for setting in rows]}


def page() -> str:
    """The page."""
    own = [setting for setting in SETTINGS.values() if not setting.standard]
    standard = [setting for setting in SETTINGS.values() if setting.standard]
    return document(
        HEAD,
        "## Standard ones",
        _rows(standard),
        "## Where OTLP goes",
        OTLP_HEAD,
        _rows(OTLP_SETTINGS.values()),
        "## Our own",
        _rows(own),
        "## Read by the SDK and upstream's loader",
        UPSTREAM_HEAD,
        table(("Variable", "Meaning"), ((code(name), brief) for name, brief in HONOURED.items())),
    )


def _rows(settings: Iterable[Setting]) -> str:
    return table(("Variable", "Default", "Meaning"), (_row(setting) for setting in settings))


def _row(setting: Setting) -> tuple[str, ...]:
    brief = f"{setting.brief} (secret: never printed)" if setting.secret else setting.brief
    return code(setting.name), code(setting.default), brief
