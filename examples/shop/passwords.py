"""Password hashes."""

from __future__ import annotations

import hashlib
import hmac


def hashed(password: str, salt: str) -> str:
    """Hash a password; the cost is kept low, it is a demo."""
    return hashlib.scrypt(password.encode(), salt=salt.encode(), n=2**10, r=8, p=1).hex()


def matches(password: str, salt: str, password_hash: str) -> bool:
    """Say whether the password is the one that was hashed."""
    return hmac.compare_digest(hashed(password, salt), password_hash)
