"""Celery's connection to its broker: a folder of message files, or whatever SHOP_BROKER_URL names."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import filesystem, virtual
from kombu.utils.json import dumps, loads

from shop.settings import settings


class Channel(filesystem.Channel):
    """Kombu's file channel, made safe for several processes in one folder.

    Kombu's own reader can see a file before it is written, and then stops.
    """

    supports_fanout = False
    get_table = virtual.Channel.get_table
    _delete = virtual.Channel._delete  # noqa: SLF001 - the hooks of a kombu channel are named so

    def _put(self, queue: str, message: Any, **_options: Any) -> None:
        name = f"{time.time_ns()}_{uuid.uuid4()}.{queue}.msg"
        draft = Path(self.data_folder_out, f".{name}")
        draft.write_text(dumps(message), encoding="utf-8")
        draft.rename(draft.with_name(name))

    def _get(self, queue: str, timeout: float | None = None) -> Any:  # noqa: ARG002 - kombu's signature
        for waiting in sorted(Path(self.data_folder_in).glob(f"[0-9]*.{queue}.msg")):
            claimed = waiting.with_suffix(".taken")
            try:
                waiting.rename(claimed)
            except FileNotFoundError:  # another worker was faster
                continue
            payload = claimed.read_text(encoding="utf-8")
            claimed.unlink()
            return loads(payload)
        raise Empty


class Transport(filesystem.Transport):
    """Kombu's file transport with the safe channel."""

    Channel = Channel


def broker_configuration() -> dict[str, Any]:
    """Give Celery's settings for the broker."""
    broker_url = settings().broker_url
    if not broker_url.startswith("filesystem"):
        return {"broker_url": broker_url}
    folder = settings().data_dir / "broker"
    folder.mkdir(exist_ok=True)
    return {
        "broker_url": broker_url,
        "broker_transport": "shop.broker:Transport",
        "broker_transport_options": {
            "data_folder_in": str(folder),
            "data_folder_out": str(folder),
            "polling_interval": 0.05,
        },
        "worker_enable_remote_control": False,
    }
