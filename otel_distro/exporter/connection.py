"""One TCP or TLS connection to a receiver, on which everything has to happen by one deadline and within some bytes."""

from __future__ import annotations

import encodings.idna  # noqa: F401 - the resolver loads it: a fork meanwhile would leave it locked in the child
import io
import os
import socket
import ssl
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_distro.config_otlp import Otlp

_MAX_RECEIVED = 1 << 18
"""Bytes that a receiver may answer to one request, all told."""


class Connection:
    """A socket that counts: however slowly the other side talks, a request ends at its deadline."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._deadline = 0.0
        self._allowance = 0
        self._files = 0
        self._closed = False

    def begin(self, deadline: float) -> None:
        """A request begins, which is over when `monotonic()` reaches the deadline."""
        self._deadline = deadline
        self._allowance = _MAX_RECEIVED

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        """Send it all, or raise TimeoutError at the deadline."""
        left = memoryview(data)
        while left:
            self._socket.settimeout(self._left())
            left = left[self._socket.send(left) :]

    def recv(self, size: int) -> bytes:
        """What has come, waiting for it until the deadline; empty when the other side has closed."""
        self._socket.settimeout(self._left())
        return self._counted(self._socket.recv(size))

    def ready(self, size: int) -> bytes | None:
        """What has come meanwhile, without waiting; None when nothing has."""
        self._socket.settimeout(0)
        try:
            return self._counted(self._socket.recv(size))
        except (BlockingIOError, ssl.SSLWantReadError):
            return None

    def _counted(self, data: bytes) -> bytes:
        self._allowance -= len(data)
        if self._allowance < 0:
            raise OSError("it answered without end")
        return data

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What is received as a file, for `http.client`, which may close us before it has read the file's end."""
        self._files += 1
        return io.BufferedReader(_Received(self), 8192)

    def released(self) -> None:
        """A file is closed."""
        self._files -= 1
        if self._closed and not self._files:
            self._socket.close()

    def _left(self) -> float:
        left = self._deadline - monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return left

    def abandon(self) -> None:
        """In a forked child: close this process's copy, saying nothing to the other side, which is the parent's."""
        os.close(self._socket.detach())

    def close(self) -> None:
        """Let go of it, once no file of it is read any more."""
        self._closed = True
        if not self._files:
            self._socket.close()


class _Received(io.RawIOBase):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._connection.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._connection.released()


def connect(host: str, port: int, context: ssl.SSLContext | None, deadline: float) -> Connection:
    """A connection to the first of the host's addresses that takes one; those before it get a fair share of the time.

    Only the resolver takes the time that it takes.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError("the host has no address")
    for number, (family, kind, protocol, _, address) in enumerate(found):
        share = (deadline - monotonic()) / (len(found) - number)
        if share <= 0:
            raise TimeoutError("timed out")
        connected = socket.socket(family, kind, protocol)
        try:
            connected.settimeout(share)
            connected.connect(address)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected.settimeout(max(0.001, deadline - monotonic()))
            return Connection(connected if context is None else context.wrap_socket(connected, server_hostname=host))
        except OSError as error:
            connected.close()
            failure = error
    raise failure


def tls_context(settings: Otlp, protocol: str) -> ssl.SSLContext:
    """Whom the settings trust and who we are; OSError when a file can't be used."""
    context = ssl.create_default_context(cafile=str(settings.certificate) if settings.certificate else None)
    if settings.client_certificate:
        context.load_cert_chain(settings.client_certificate, settings.client_key)
    with suppress(NotImplementedError):  # a TLS library without ALPN
        context.set_alpn_protocols([protocol])
    return context
