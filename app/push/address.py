"""Where a receiver may be: no request leaves for an address inside, unless that is allowed."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult

_FAMILIES: Final = {socket.AF_INET, socket.AF_INET6}


class Forbidden(OSError):  # noqa: N818 - a verdict on an address
    """A receiver's name resolves to an address that may not be asked."""


def is_inside(address: str) -> bool:
    """Whether an IP address is anything but a public one: private, loopback, link-local, reserved, multicast."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip
    return not ip.is_global or ip.is_multicast


class Guarded(AbstractResolver):
    """Resolves names, and gives away no address inside. What is connected to is what was checked."""

    def __init__(self, *, allow_inside: bool) -> None:
        self._allow_inside = allow_inside

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, family=family
        )
        addresses = [
            (kind, str(place[0]), int(place[1])) for kind, _, _, _, place in found if kind in _FAMILIES
        ]
        if not self._allow_inside and any(is_inside(address) for _, address, _ in addresses):
            raise Forbidden(f"{host} is an address inside; it is not asked")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=number,
                family=int(kind),
                proto=0,
                flags=int(socket.AI_NUMERICHOST),
            )
            for kind, address, number in addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


def refusal(url: str, *, allow_inside: bool) -> str | None:
    """Why a URL can't be a receiver's, as far as it shows without resolving its name; None if it can."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        return f"it is no URL: {error}"
    try:
        port = parts.port
    except ValueError:
        return "its port is no number from 1 to 65535"
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        return "it is no http or https URL with a host"
    if parts.username is not None or parts.password is not None:
        return "it holds a user name or password"
    if parts.fragment:
        return "it holds a fragment"
    if allow_inside:
        return None
    if parts.scheme != "https":
        return "it is not https"
    try:
        inside = is_inside(parts.hostname)
    except ValueError:
        inside = parts.hostname == "localhost" or parts.hostname.endswith(
            (".localhost", ".local", ".internal")
        )
    return "it is an address inside" if inside else None
