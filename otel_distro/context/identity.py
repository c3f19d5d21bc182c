"""Pseudonyms: keyed hashes of users and sessions, equal on all hosts that share the key."""

from __future__ import annotations

import hmac
import logging
import secrets
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING

from otel_distro import config
from otel_distro.semconv.attributes import SESSION_ID, USER_HASH, USER_ID

if TYPE_CHECKING:
    from pathlib import Path

_logger = logging.getLogger("otel_distro")
_MAX_VALUE = 256


def pseudonym(kind: str, value: str) -> dict[str, str]:
    """The attribute for a user or session: a 32-digit keyed hash, or the raw value where the setting says so."""
    user = USER_ID if config.current().identity == "raw" else USER_HASH
    return {(user if kind == "user" else SESSION_ID).key: hashed(kind, value)}


def hashed(kind: str, value: str) -> str:
    """A 32-digit keyed hash, or the raw value where the setting says so."""
    if config.current().identity == "raw":
        return value[:_MAX_VALUE]
    return _hash(f"{kind}:{value}")


@lru_cache(maxsize=4096)
def _hash(value: str) -> str:
    return hmac.new(_key(), value.encode("utf-8", "replace"), sha256).hexdigest()[:32]


@lru_cache(maxsize=1)
def _key() -> bytes:
    settings = config.current()
    if settings.identity_key:
        return settings.identity_key.encode()
    path = settings.cache_dir / "identity.key"
    _logger.info("OTEL_DISTRO_IDENTITY_KEY is not set: users are hashed with a key of this host")
    try:
        return _host_key(path)
    except OSError as error:
        _logger.warning(
            "OTEL_DISTRO_CACHE_DIR: no identity key can be kept at %s (%s); hashes differ per process",
            path,
            error,
        )
        return secrets.token_bytes(32)


def _host_key(path: Path) -> bytes:
    """The host's key, made on first use by whichever process is first."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_suffix(f".{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_bytes(secrets.token_bytes(32))
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes()


def forget_key() -> None:
    """Read the key again on next use; for tests and after a change of settings."""
    _key.cache_clear()
    _hash.cache_clear()
