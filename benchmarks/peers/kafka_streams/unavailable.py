"""Why a peer cannot be measured on this machine."""

from __future__ import annotations


class UnavailableError(Exception):
    """Something the peer needs is not here; the text says what, and how to get it."""
