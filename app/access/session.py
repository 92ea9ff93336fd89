"""Sessions of browsers: a key's is signed by what is kept of the key, a token's is the token.

So no view has to remember a session or share a secret with others, and a session is good for no longer than what it
was opened by. What signs a key's session is the SHA-256 of the key's 256 random bits: nobody knows it but who has
the key, and the views.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final, NamedTuple

from springtide.app.access.keys import is_good
from springtide.codecs.access import Key

LIFETIME_S: Final = 12 * 3_600
TOKEN_CHARS_MAX: Final = 3_800
"""Of a token in a session: a browser keeps no more than 4,096 bytes under one name."""
_KEY, _TOKEN = "k", "t"


class Opened(NamedTuple):
    """What a session says of itself, not yet believed: by which key, or by which token."""

    key_id: str = ""
    expires_s: int = 0
    signature: str = ""
    token: str = ""


def of_key(key: Key, now_s: int) -> str:
    """A new session, as a cookie holds it."""
    expires_s = now_s + LIFETIME_S
    return f"{_KEY}.{key.id}.{expires_s}.{_signature(key, expires_s)}"


def of_token(token: str) -> str:
    return f"{_TOKEN}.{token}"


def read(text: str) -> Opened | None:
    """None if it looks like no session."""
    kind, _, rest = text.partition(".")
    if kind == _TOKEN and rest:
        return Opened(token=rest)
    parts = rest.split(".")
    if (
        kind != _KEY
        or len(parts) != 3
        or not (parts[1].isascii() and parts[1].isdigit())
        or len(parts[1]) > 12
    ):
        return None
    return Opened(parts[0], int(parts[1]), parts[2])


def is_valid(opened: Opened, key: Key | None, now_ms: int) -> bool:
    """Whether it was opened by this key, which is still good, and has not ended."""
    if key is None or not opened.signature.isascii():
        return False
    signed = compare_digest(opened.signature, _signature(key, opened.expires_s))
    now_s = now_ms // 1_000
    return signed and now_s < opened.expires_s <= now_s + LIFETIME_S + 60 and is_good(key, now_ms)


def form_token(cookie: str) -> str:
    """What a page's forms show, so that they come from a page that was made for the bearer of this cookie."""
    return _text(sha256(b"springtide form\x00" + cookie.encode()).digest())


def _signature(key: Key, expires_s: int) -> str:
    said = f"springtide session\x00{key.id}\x00{expires_s}".encode()
    return _text(hmac_digest(bytes.fromhex(key.hash), said, "sha256"))


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
