"""API keys: `sk_<id>_<secret>`. The secret is 256 random bits, shown once; what is kept is its SHA-256.

A slow hash is for secrets that people choose; one of 256 random bits can't be guessed from a fast one.
"""

from __future__ import annotations

import re
from hashlib import sha256
from hmac import compare_digest
from secrets import token_hex, token_urlsafe
from typing import Final, NamedTuple

from springtide.codecs.access import Key

PREFIX: Final = "sk_"
SECRET_BYTES: Final = 32
_TEXT: Final = re.compile(r"sk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})", re.ASCII)
_NO_HASH: Final = "0" * 64


class Presented(NamedTuple):
    """A key as a request shows it."""

    id: str
    secret: str


def new_key() -> tuple[str, str, str]:
    """(id, hash to keep, the whole key to show once)."""
    key_id, secret = token_hex(8), token_urlsafe(SECRET_BYTES)
    return key_id, hash_of(secret), f"{PREFIX}{key_id}_{secret}"


def hash_of(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def parse(text: str) -> Presented | None:
    """None if it does not look like a key."""
    found = _TEXT.fullmatch(text)
    return None if found is None else Presented(found[1], found[2])


def is_valid(presented: Presented, key: Key | None, now_ms: int) -> bool:
    """Whether it is this key, and the key is still good. As long for an unknown id as for a wrong secret."""
    known = compare_digest(hash_of(presented.secret), _NO_HASH if key is None else key.hash)
    return known and key is not None and is_good(key, now_ms)


def is_good(key: Key, now_ms: int) -> bool:
    """Whether it is neither revoked nor expired."""
    return key.revoked_ms is None and (key.expires_ms is None or now_ms < key.expires_ms)
