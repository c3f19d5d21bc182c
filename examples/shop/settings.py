"""What the shop can be told from outside, read once."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sqlalchemy import URL, make_url

ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
SYNC_DRIVERS = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg"}


@dataclass(frozen=True)
class Settings:
    """The shop's settings; every one has a default that works on a laptop."""

    data_dir: Path
    database_url: URL
    broker_url: str
    stripe_webhook_secret: str
    livekit_api_key: str
    livekit_api_secret: str
    quote_url: str | None

    @property
    def async_database_url(self) -> URL:
        """The database as the web process reaches it."""
        return self.database_url.set(drivername=ASYNC_DRIVERS[self.database_url.get_backend_name()])

    @property
    def sync_database_url(self) -> URL:
        """The same database as the worker reaches it."""
        return self.database_url.set(drivername=SYNC_DRIVERS[self.database_url.get_backend_name()])


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Read the environment, once per process."""
    folder = os.environ.get("SHOP_DATA_DIR") or Path(tempfile.gettempdir()) / f"shop-{os.getuid()}"
    data_dir = Path(folder).absolute()
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database_url = os.environ.get("SHOP_DATABASE_URL") or f"sqlite:///{data_dir / 'shop.db'}"
    return Settings(
        data_dir=data_dir,
        database_url=make_url(database_url),
        broker_url=os.environ.get("SHOP_BROKER_URL") or "filesystem://localhost//",
        stripe_webhook_secret=os.environ.get("STRIPE_WEBHOOK_SECRET") or "whsec_demo_of_the_shop",
        livekit_api_key=os.environ.get("LIVEKIT_API_KEY") or "shop-demo-key",
        livekit_api_secret=os.environ.get("LIVEKIT_API_SECRET") or "shop-demo-secret-with-32-characters",
        quote_url=os.environ.get("SHOP_QUOTE_URL") or None,
    )
