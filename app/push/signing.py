"""Signatures as Standard Webhooks 1.0 say: https://github.com/standard-webhooks/standard-webhooks."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Final

from springtide.codecs.subscriptions import SECRET_PREFIX, Secret

_SECRET_BYTES: Final = 32


def new_secret() -> str:
    return SECRET_PREFIX + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The signing key of a secret; ValueError if it is none."""
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError(f"a secret begins with {SECRET_PREFIX}")
    key = b64decode(secret[len(SECRET_PREFIX) :], validate=True)
    if not 24 <= len(key) <= 64:
        raise ValueError("a secret holds 24 to 64 bytes as base64")
    return key


def signatures(secrets_: Iterable[Secret], message_id: str, at_s: int, body: bytes, now_ms: int) -> str:
    """The `webhook-signature` header: one signature for each secret that is valid."""
    signed = f"{message_id}.{at_s}.".encode() + body
    return " ".join(
        "v1," + b64encode(hmac.digest(key_of(secret.secret), signed, hashlib.sha256)).decode()
        for secret in secrets_
        if secret.ends_ms is None or secret.ends_ms > now_ms
    )
