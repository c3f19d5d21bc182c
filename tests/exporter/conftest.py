"""A server to export to, and certificates made on the spot."""

from __future__ import annotations

import logging
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.exporter.server import OtlpServer


class Certificates(NamedTuple):
    """Files: who is trusted, the server's certificate for 127.0.0.1, and the client's, each with its key."""

    authority: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path

    def context(self, *, ask_client: bool = False) -> ssl.SSLContext:
        """The server's side."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server, self.server_key)
        if ask_client:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.authority)
        return context


@pytest.fixture
def server() -> Iterator[OtlpServer]:
    """A collector on a free port."""
    with OtlpServer().running() as running:
        yield running


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[str]]:
    """What the distribution logged."""
    found: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("otel_distro")
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority of our own, a server certificate and a client certificate, by the openssl program."""
    folder = tmp_path_factory.mktemp("certificates")
    made = Certificates(*(folder / f"{name}.pem" for name in Certificates._fields))
    new = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    authority_key = folder / "authority-key.pem"
    usage = ["-addext", "keyUsage=critical,keyCertSign"]  # asked for by Python 3.13
    openssl(*new, *usage, "-subj", "/CN=authority", "-keyout", authority_key, "-out", made.authority)
    signed = [*new, "-CA", made.authority, "-CAkey", authority_key, "-addext", "basicConstraints=CA:FALSE"]
    name = ["-addext", "subjectAltName=IP:127.0.0.1"]
    openssl(*signed, *name, "-subj", "/CN=server", "-keyout", made.server_key, "-out", made.server)
    openssl(*signed, "-subj", "/CN=client", "-keyout", made.client_key, "-out", made.client)
    return made


def openssl(*arguments: str | Path) -> None:
    """Run it."""
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
