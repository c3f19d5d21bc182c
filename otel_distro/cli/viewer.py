"""`otel-distro view`: the receiver and its store, until it is stopped."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING

from otel_distro.cli.database import add_database_option, database, unwritable
from otel_distro.cli.terminal import CommandError, say
from otel_distro.viewer.schema import StoreError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from otel_distro.viewer.server import ViewerServer

DEFAULT_PORT = 4319
MAX_PORT = 65535


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `view`."""
    parser = commands.add_parser("view", help="receive telemetry by OTLP/HTTP on loopback and store it")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="default: %(default)s; 0 is any free port")
    add_database_option(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Receive until SIGINT or SIGTERM."""
    path = database(arguments)
    server = open_server(path, arguments.port)
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    server.start()
    say(f"receiving OTLP/HTTP into {path}; start the app with")
    say(f"  OTEL_EXPORTER_OTLP_ENDPOINT={server.endpoint} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")
    sys.stdout.flush()
    stopped.wait()
    server.stop()
    return 0


def open_server(path: Path, port: int) -> ViewerServer:
    """Open the store and the port, or raise CommandError naming what to change."""
    if not 0 <= port <= MAX_PORT:
        raise CommandError(f"--port must be 0 to {MAX_PORT}, not {port}")
    try:
        from otel_distro.viewer.server import ViewerServer
    except ModuleNotFoundError as error:
        message = f"{error.name} is not installed: pip install 'otel-distro[viewer]'"
        raise CommandError(message) from error
    try:
        return ViewerServer(path, port)
    except StoreError as error:
        raise unwritable(error) from error
    except OSError as error:
        raise CommandError(
            f"port {port} on 127.0.0.1 cannot be used: {error.strerror} (--port names another)"
        ) from error
