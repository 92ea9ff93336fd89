"""One change told to one receiver: the request, and what its answer means."""

from __future__ import annotations

import asyncio
import ssl
from enum import StrEnum
from time import monotonic, time
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import aiohttp
import msgspec

from springtide.app.push.address import Forbidden, Guarded, refusal
from springtide.app.push.signing import signatures
from springtide.codecs.letters import StatusChange, StatusChanged, WebhookHeaders
from springtide.codecs.subscriptions import OAuth, Subscription, Upsert

ANSWER_BYTES_MAX: Final = 64 << 10
_TOKEN_EARLY_S: Final = 30.0
_TOKEN_LASTS_S: Final = 300.0
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_TRANSIENT: Final = frozenset((408, 425, 429))


class Meaning(StrEnum):
    """What an answer means for the change that was told."""

    TAKEN = "taken"
    LATER = "later"
    """Not now: the receiver is down, busy or failing."""
    REFUSED = "refused"
    """The receiver does not want this very request."""
    ENDED = "ended"
    """410: it wants no more of anything."""


class Answer(NamedTuple):
    meaning: Meaning
    why: str = ""
    retry_after_s: float | None = None


class Change(NamedTuple):
    """A change on its way to one receiver."""

    offset: int
    at_ms: int
    """When it was written to the log."""
    letter: StatusChange
    replay: str | None = None

    @property
    def message_id(self) -> str:
        """The same whenever this change is told, so that a receiver can count it once."""
        return f"{self.letter.order_id}/{self.letter.version}"


class Sender:
    """Tells one subscription's receiver. `close` at the end."""

    def __init__(self, subscription: Subscription, *, allow_inside: bool, connections_max: int = 0) -> None:
        self._subscription = subscription
        self._allow_inside = allow_inside
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=Guarded(allow_inside=allow_inside),
                limit=connections_max or subscription.in_flight_max,
                ttl_dns_cache=60,
            ),
            timeout=aiohttp.ClientTimeout(total=subscription.timeout_ms / 1_000),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "springtide-push/1"},
        )
        self._token: tuple[str, float] | None = None
        self._token_lock = asyncio.Lock()

    async def close(self) -> None:
        await self._session.close()

    async def tell(self, change: Change) -> Answer:
        """One attempt. Redirects are not followed; nothing of the answer but its head is of interest."""
        subscription = self._subscription
        why = refusal(subscription.url, allow_inside=self._allow_inside)
        if why is not None:
            return Answer(Meaning.REFUSED, f"the URL is refused: {why}")
        try:
            if subscription.upsert is None:
                return await self._tell_event(change)
            return await self._upsert(change, subscription.upsert)
        except Forbidden as error:
            return Answer(Meaning.REFUSED, str(error))
        except TimeoutError:
            return Answer(Meaning.LATER, f"no answer within {subscription.timeout_ms} ms")
        except (aiohttp.ClientError, OSError, ssl.SSLError) as error:
            cause = error.__cause__ or error
            if isinstance(cause, Forbidden):
                return Answer(Meaning.REFUSED, str(cause))
            return Answer(Meaning.LATER, f"{type(error).__name__}: {error}"[:300])

    async def _tell_event(self, change: Change) -> Answer:
        letter = change.letter
        body = _encode(
            StatusChanged(id=change.message_id, subject=letter.order_id, time=letter.at, data=letter)
        )
        now = time()
        headers = WebhookHeaders(
            webhook_id=change.message_id,
            webhook_timestamp=str(int(now)),
            webhook_signature=signatures(
                self._subscription.secrets, change.message_id, int(now), body, int(now * 1_000)
            ),
            springtide_replay=change.replay,
        )
        told = {"Content-Type": "application/cloudevents+json", **msgspec.to_builtins(headers)}
        return await self._ask("POST", self._subscription.url, body, told)

    async def _upsert(self, change: Change, upsert: Upsert) -> Answer:
        whole: dict[str, Any] = msgspec.to_builtins(change.letter)
        body = _encode({field: _part(whole, path) for field, path in upsert.fields.items()})
        url = self._subscription.url.replace("{external_id}", quote(change.letter.order_id, safe=""))
        headers = {"Content-Type": "application/json"}
        if upsert.oauth is not None:
            token = await self._bearer(upsert.oauth)
            if isinstance(token, Answer):
                return token
            headers["Authorization"] = f"Bearer {token}"
        answer = await self._ask(upsert.method, url, body, headers)
        if answer.why.startswith("401") and upsert.oauth is not None:
            self._token = None  # it may have been withdrawn before its time
            return answer._replace(meaning=Meaning.LATER)
        return answer

    async def _bearer(self, oauth: OAuth) -> str | Answer:
        async with self._token_lock:
            if self._token is not None and self._token[1] > monotonic():
                return self._token[0]
            why = refusal(oauth.token_url, allow_inside=self._allow_inside)
            if why is not None:
                return Answer(Meaning.REFUSED, f"the token URL is refused: {why}")
            form = {"grant_type": "client_credentials"}
            if oauth.scope is not None:
                form["scope"] = oauth.scope
            headers = {"Authorization": aiohttp.encode_basic_auth(oauth.client_id, oauth.client_secret)}
            async with self._session.post(
                oauth.token_url, data=form, headers=headers, allow_redirects=False
            ) as response:
                raw = await response.content.read(ANSWER_BYTES_MAX)
                if response.status != 200:
                    return Answer(Meaning.LATER, f"{response.status} from the token URL")
            try:
                found = _decode(raw)
                token, lasts_s = str(found["access_token"]), float(found.get("expires_in", _TOKEN_LASTS_S))
            except (msgspec.DecodeError, KeyError, TypeError, ValueError):
                return Answer(Meaning.LATER, "the token URL's answer holds no access_token")
            self._token = (token, monotonic() + max(1.0, lasts_s - _TOKEN_EARLY_S))
            return token

    async def _ask(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        async with self._session.request(
            method, url, data=body, headers=headers, allow_redirects=False
        ) as response:
            if response.content_length is None or response.content_length <= ANSWER_BYTES_MAX:
                await response.content.read(ANSWER_BYTES_MAX)  # so that the connection can be used again
            return meaning(response.status, response.headers.get("Retry-After"))


def meaning(status: int, retry_after: str | None = None) -> Answer:
    """What a status says. A redirect is no success: whoever moves tells us so by changing the subscription."""
    if 200 <= status < 300:
        return Answer(Meaning.TAKEN)
    if status == 410:
        return Answer(Meaning.ENDED, "410 from the receiver")
    wait_s = None
    if retry_after is not None and retry_after.strip().isdigit():
        wait_s = float(retry_after.strip()[:9])
    if status >= 500 or status in _TRANSIENT:
        return Answer(Meaning.LATER, f"{status} from the receiver", wait_s if status in (429, 503) else None)
    return Answer(Meaning.REFUSED, f"{status} from the receiver")


def _part(whole: dict[str, Any], path: str) -> Any:
    found: Any = whole
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found
