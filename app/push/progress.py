"""Where each subscription stands in each partition, followed from what the push processes keep in the log."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from time import monotonic
from typing import Final

import msgspec
import structlog

from springtide.agents.topics import STATUS_CHANGES
from springtide.app.engine.log import ActorId, Log, LogUnavailable
from springtide.app.push.cursor import Place
from springtide.app.wiring import PUSH
from springtide.codecs.records import Record

RATE_OVER_S: Final = 10.0
_SAMPLE_S: Final = 0.5
_SAMPLES_MAX: Final = int(RATE_OVER_S / _SAMPLE_S) + 2
_PAUSE_S: Final = 1.0
_decode: Final = msgspec.msgpack.Decoder(Place).decode

_log = structlog.get_logger("springtide.push")


class _Told(msgspec.Struct, array_like=True):
    """The beginning of a Place, which is all that is read of most of them."""

    position: int
    done: msgspec.Raw
    told: int


_decode_told: Final = msgspec.msgpack.Decoder(_Told).decode


class _Of:
    """One subscription."""

    def __init__(self) -> None:
        self.places: dict[int, bytes] = {}
        """By partition, as they are kept."""
        self.told: dict[int, int] = {}
        self.samples: deque[tuple[float, int]] = deque(maxlen=_SAMPLES_MAX)
        """(when, told until then)"""


class Progress:
    """See the module. `loaded` is set once all that was there has been read."""

    def __init__(self, log: Log, app: str, clock_s: Callable[[], float] = monotonic) -> None:
        self.loaded = asyncio.Event()
        self._log = log
        self._app = app
        self._clock_s = clock_s
        self._known: dict[str, _Of] = {}
        self._positions: dict[int, int] = {}

    async def run(self) -> None:
        """Follows until cancelled; while the log does not answer, what is known stands."""
        while True:
            try:
                await self._follow()
            except LogUnavailable as error:
                _log.warning("the progress of push is not followed", why=str(error))
            await asyncio.sleep(_PAUSE_S)

    def places(self, subscription_id: str) -> Iterator[tuple[int, Place]]:
        """(partition, place) wherever a push process has kept one."""
        known = self._known.get(subscription_id)
        for number, raw in sorted({} if known is None else known.places.items()):
            yield number, _decode(raw)

    def told_per_s(self, subscription_id: str) -> float:
        """Changes taken by its receiver, each second, over the last RATE_OVER_S."""
        known = self._known.get(subscription_id)
        if known is None or not known.samples:
            return 0.0
        begin_s = self._clock_s() - RATE_OVER_S
        before = known.samples[0][1]
        for at_s, told in known.samples:
            if at_s > begin_s:
                break
            before = told
        return max(0, sum(known.told.values()) - before) / RATE_OVER_S

    async def _follow(self) -> None:
        count = await self._log.partitions(STATUS_CHANGES)
        changelogs = {ActorId(self._app, PUSH, number).changelog: number for number in range(count)}
        ends = {changelogs[place]: end for place, end in (await self._log.ends(list(changelogs))).items()}
        self._settle(ends)
        positions = {place: self._positions.get(number, 0) for place, number in changelogs.items()}
        async with aclosing(self._log.follow(positions)) as stream:  # type: ignore[type-var]
            async for followed in stream:
                number = changelogs[followed.place]
                for record in followed.records:
                    self.take(number, record)
                self._positions[number] = followed.position
                self._settle(ends)

    def _settle(self, ends: Mapping[int, int]) -> None:
        if all(self._positions.get(number, 0) >= end for number, end in ends.items()):
            self.loaded.set()

    def take(self, number: int, record: Record) -> None:
        """Takes in one record of a partition's changelog."""
        name = (record.key or b"").decode(errors="replace")
        if record.value is None:
            known = self._known.get(name)
            if known is not None:
                known.places.pop(number, None)
                known.told.pop(number, None)
                if not known.places:
                    del self._known[name]
            return
        try:
            told = _decode_told(record.value).told
        except msgspec.DecodeError as error:
            _log.error("where a subscription stands can't be read", subscription=name, why=str(error))
            return
        known = self._known.setdefault(name, _Of())
        before = sum(known.told.values())
        known.places[number] = record.value
        known.told[number] = told
        if not self.loaded.is_set():
            return
        now_s, samples = self._clock_s(), known.samples
        if not samples:
            samples.append((now_s, before))
        if now_s - samples[-1][0] >= _SAMPLE_S:
            samples.append((now_s, sum(known.told.values())))
        elif len(samples) > 1:
            samples[-1] = (samples[-1][0], sum(known.told.values()))
