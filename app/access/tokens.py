"""OAuth 2 bearer tokens: JWTs of one issuer, checked by the keys it publishes (RFC 7519, 7517, 9068)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from time import monotonic, time
from typing import Any, Final

import aiohttp
import jwt
import msgspec
import structlog

from springtide.app.access.caller import Bound, Caller
from springtide.app.access.scopes import expanded
from springtide.app.settings import Settings

ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
TOKEN_CHARS_MAX: Final = 8_192
KEYS_MAX: Final = 64
BODY_BYTES_MAX: Final = 256 << 10
REFRESH_S: Final = 600.0
"""Published keys are asked for again after so long,"""
MISS_S: Final = 10.0
"""or at most so often where a token names a key that is not known."""
STALE_S: Final = 86_400.0
"""So long keys are still good though the issuer does not answer."""
KNOWN_MAX: Final = 10_000
"""Tokens that were found good, so that most requests need no arithmetic."""
LEEWAY_S: Final = 30
_TIMEOUT: Final = aiohttp.ClientTimeout(total=5.0)
_LIST_MAX: Final = 100

_log = structlog.get_logger("springtide.access")


class Refused(Exception):  # noqa: N818 - a verdict on a token
    """The token is not good; the message says why, without the token."""


class KeysUnavailable(Exception):  # noqa: N818
    """The issuer's keys can't be had, so that nothing can be said of a token."""


class Tokens:
    """See the module. `close` at the end."""

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = monotonic,
        wall: Callable[[], float] = time,
    ) -> None:
        assert settings.oauth_jwks_url is not None
        self._url = settings.oauth_jwks_url
        self._settings = settings
        self._clock = clock
        self._wall = wall
        self._keys: dict[str, jwt.PyJWK] = {}
        self._got_s: float | None = None
        self._asked_s: float | None = None
        self._fetching = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._known: OrderedDict[bytes, Caller] = OrderedDict()

    async def caller(self, token: str) -> Caller:
        """Who bears it. Raises Refused or KeysUnavailable."""
        if len(token) > TOKEN_CHARS_MAX:
            raise Refused(f"the token has more than {TOKEN_CHARS_MAX} characters")
        name = sha256(token.encode()).digest()
        known = self._known.get(name)
        if known is not None and known.expires_ms is not None and self._wall() * 1_000 < known.expires_ms:
            if self._got_s is not None and self._clock() - self._got_s < REFRESH_S:
                self._known.move_to_end(name)
                return known
            self._known.clear()  # a key that is published no more makes no token good any more
        key = await self._key_of(token)
        caller = self._read(token, key)
        self._known[name] = caller
        if len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        return caller

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _key_of(self, token: str) -> jwt.PyJWK:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise Refused("it is neither a key of Springtide's nor a JWT") from None
        if header.get("alg") not in ALGORITHMS:
            raise Refused(f"it is not signed by one of {', '.join(ALGORITHMS)}")
        kid = header.get("kid")
        if not isinstance(kid, str):
            raise Refused("its header names no key (kid)")
        key = await self._published(kid)
        if key is None:
            raise Refused("its key (kid) is none that the issuer publishes")
        if key.algorithm_name != header["alg"]:
            raise Refused("its key is for another algorithm")
        return key

    async def _published(self, kid: str) -> jwt.PyJWK | None:
        async with self._fetching:
            now_s = self._clock()
            is_old = self._got_s is None or now_s - self._got_s >= REFRESH_S
            if (is_old or kid not in self._keys) and (
                self._asked_s is None or now_s - self._asked_s >= MISS_S
            ):
                self._asked_s = now_s
                try:
                    self._keys = await self._fetch()
                    self._got_s = self._clock()
                except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                    _log.warning("the issuer's keys can't be had", url=self._url, why=repr(error))
            if self._got_s is None or self._clock() - self._got_s > STALE_S:
                raise KeysUnavailable(f"{self._url} does not answer with keys")
            return self._keys.get(kid)

    async def _fetch(self) -> dict[str, jwt.PyJWK]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        async with self._session.get(self._url, allow_redirects=False) as response:
            response.raise_for_status()
            if response.status != 200:
                raise ValueError(f"it answers {response.status}")
            raw = await response.content.read(BODY_BYTES_MAX + 1)
            while not response.content.at_eof() and len(raw) <= BODY_BYTES_MAX:
                raw += await response.content.read(BODY_BYTES_MAX + 1 - len(raw))
        if len(raw) > BODY_BYTES_MAX:
            raise ValueError(f"it answers more than {BODY_BYTES_MAX} bytes")
        return published_keys(msgspec.json.decode(raw, type=dict[str, Any]))

    def _read(self, token: str, key: jwt.PyJWK) -> Caller:
        settings = self._settings
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                issuer=settings.oauth_issuer,
                audience=settings.oauth_audience,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise Refused(_told(error)) from None
        partner = next(
            (str(claims[name])[:128] for name in ("client_id", "azp", "sub") if claims.get(name)), ""
        )
        scopes = claims.get("scope", claims.get("scp", ()))
        return Caller(
            name=f"token/{partner}",
            partner=partner,
            scopes=expanded(_names(scopes, " ")),
            bound=Bound(_bounds(claims, "customers"), _bounds(claims, "channels")),
            rate_per_s=settings.oauth_rate_per_s,
            burst=settings.oauth_burst,
            quota_per_day=settings.oauth_quota_per_day,
            expires_ms=int((float(claims["exp"]) + LEEWAY_S) * 1_000),
            sources=_bounds(claims, "sources"),
        )


def published_keys(body: Mapping[str, Any]) -> dict[str, jwt.PyJWK]:
    """kid -> key, of those that sign by an algorithm that is taken. Raises ValueError if it is no key set."""
    found: dict[str, jwt.PyJWK] = {}
    listed = body.get("keys")
    if not isinstance(listed, list):
        raise ValueError("it answers no key set (RFC 7517)")  # noqa: TRY004 - what the caller handles
    for one in listed[:KEYS_MAX]:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig" or not isinstance(one.get("kid"), str):
            continue
        try:
            key = jwt.PyJWK(one)
        except jwt.PyJWTError:
            continue  # of a kind that is not for us
        if key.algorithm_name in ALGORITHMS:
            found[one["kid"]] = key
    return found


def _told(error: jwt.PyJWTError) -> str:
    for kind, words in (
        (jwt.ExpiredSignatureError, "it has expired"),
        (jwt.InvalidIssuerError, "it is of another issuer"),
        (jwt.InvalidAudienceError, "it is for another audience"),
        (jwt.ImmatureSignatureError, "it is not good yet"),
        (jwt.InvalidSignatureError, "its signature is wrong"),
        (jwt.MissingRequiredClaimError, "it lacks a claim of exp, iss, aud and sub"),
    ):
        if isinstance(error, kind):
            return words
    return "it can't be read"


def _names(given: object, separator: str) -> tuple[str, ...]:
    if isinstance(given, str):
        return tuple(given.split(separator)[:_LIST_MAX])
    return tuple(str(one) for one in given[:_LIST_MAX]) if isinstance(given, list) else ()


def _bounds(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """What a claim binds its bearer to. One that can't be read binds to nothing there is: it is never no bound."""
    if name not in claims:
        return ()
    return _names(claims[name], ",") or ("",)
