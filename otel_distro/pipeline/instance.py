"""`service.instance.id`: a stable worker slot of this host, so that a recycled worker goes on with its series."""

from __future__ import annotations

import fcntl
import os
import socket
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID, uuid4, uuid5

from opentelemetry.sdk import resources
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, Resource

if TYPE_CHECKING:
    from pathlib import Path

_NAMESPACE = UUID("4d63009a-8d0f-11ee-aad7-4c796ed8e320")
"""The namespace that the semantic conventions name for generated `service.instance.id`s."""
_MAX_SLOTS = 1024


def process_resource() -> Resource:
    """What resource detectors say of this process, not of its parent; the instance id is ours to give."""
    detect = getattr(resources, "_get_process_dependent_resource", Resource.get_empty)  # the SDK has it from 1.45 on
    found = {key: value for key, value in detect().attributes.items() if key != SERVICE_INSTANCE_ID}
    return Resource(found)


class Slot:
    """Holds the lowest free slot of a service on this host by a file lock, which the kernel frees with the process."""

    def __init__(self, directory: Path, service: str) -> None:
        self._directory = directory / "slots" / sha256(service.encode()).hexdigest()[:16]
        self._service = service
        self._descriptor: int | None = None

    def acquire(self) -> str:
        """The id of the slot; a random one where no lock can be had (an unwritable cache directory)."""
        self.release()
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for number in range(_MAX_SLOTS):
                if self._lock(number):
                    return str(uuid5(_NAMESPACE, f"{socket.gethostname()}/{self._service}/{number}"))
        except OSError:
            return str(uuid4())
        return str(uuid4())

    def _lock(self, number: int) -> bool:
        descriptor = os.open(self._directory / f"{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let go of the slot; in a forked child this closes the copy only, the parent keeps its slot."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
