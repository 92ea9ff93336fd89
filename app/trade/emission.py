"""One record of the trade as it stands on its topic, and the pen that writes it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from springtide.codecs.cloudevents import STRUCTURED, TYPE_PREFIX, TYPE_SUFFIX
from springtide.codecs.facts import FACT_BY_NAME

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
SECOND_MS: Final = 1_000

Headers = tuple[tuple[str, bytes], ...]


class Emission(NamedTuple):
    """A record to be sent: where to, under which key, and its bytes."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers


class Broken(Emission):
    """One that must be refused: with `code`, at `field`, as `cloudevents.Refused` names them.

    A source that may not state its fact is well-formed; `Authority` refuses it with `not_authoritative`.
    """

    code: str
    field: str


_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_ODD: Final = 0x9E37_79B9_7F4A_7C15
_MASK: Final = (1 << 64) - 1
_CLOCK: Final = tuple(f"T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}." for s in range(86_400))
_MILLIS: Final = tuple(f"{ms:03d}" for ms in range(1_000))
_WITH_HEADER: Final[Headers] = (("content-type", STRUCTURED),)
_JSON: Final = ("content-type", b"application/json")
_encode: Final = msgspec.json.Encoder().encode
_TOPIC: Final = {name: fact.topic for name, fact in FACT_BY_NAME.items()}


@lru_cache(maxsize=4_096)
def day_text(day: int) -> str:
    """The calendar day that is `day` days after 1970-01-01."""
    return date.fromordinal(_EPOCH_DAY + day).isoformat()


def stamp(at_ms: int) -> str:
    """An instant as RFC 3339 in UTC, with milliseconds."""
    seconds, ms = divmod(at_ms, 1_000)
    day, second = divmod(seconds, 86_400)
    return f"{day_text(day)}{_CLOCK[second]}{_MILLIS[ms]}Z"


def local_stamp(at_ms: int) -> str:
    """The same instant as a carrier in Central Europe writes it."""
    return f"{stamp(at_ms + HOUR_MS)[:-1]}+01:00"


def event(
    fact: str, source: str, subject: str, event_id: str, time: str, data: Mapping[str, Any]
) -> Emission:
    """One fact as a structured event on its topic, under the id and at the time given."""
    whole = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": f"{TYPE_PREFIX}{fact}{TYPE_SUFFIX}",
        "subject": subject,
        "time": time,
        "data": data,
    }
    return Emission(_TOPIC[fact], subject.encode(), _encode(whole), ())


class Pen:
    """Writes facts as CloudEvents, each under an id of its own."""

    __slots__ = ("_binary_share", "_mix", "_number", "_random")

    def __init__(self, rng: random.Random, binary_share: float) -> None:
        self._random = rng.random
        self._binary_share = binary_share
        self._number = 0
        self._mix = rng.getrandbits(64)

    def next_id(self) -> str:
        """16 hexadecimal digits, never the same twice: an odd number's multiples repeat after 2 ** 64."""
        self._number += 1
        return f"{(self._number * _ODD + self._mix) & _MASK:016x}"

    def write(
        self, fact: str, source: str, subject: str, key: bytes, at_ms: int, data: str, sequence: int = 0
    ) -> Emission:
        """One fact; `data` is its JSON. Carriers give local time; the warehouses send no content type."""
        self._number += 1
        event_id = f"{(self._number * _ODD + self._mix) & _MASK:016x}"
        time = local_stamp(at_ms) if source[0] == "c" else stamp(at_ms)
        if self._random() < self._binary_share:
            headers = [
                ("ce_specversion", b"1.0"),
                ("ce_id", event_id.encode()),
                ("ce_source", source.encode()),
                ("ce_type", f"{TYPE_PREFIX}{fact}{TYPE_SUFFIX}".encode()),
                ("ce_subject", key),
                ("ce_time", time.encode()),
                _JSON,
            ]
            if sequence:
                headers.append(("ce_sequence", b"%d" % sequence))
            return Emission(_TOPIC[fact], key, data.encode(), tuple(headers))
        order = f',"sequence":{sequence}' if sequence else ""
        value = (
            f'{{"specversion":"1.0","id":"{event_id}","source":"{source}","type":"springtide.{fact}.v1",'
            f'"subject":"{subject}","time":"{time}"{order},"data":{data}}}'
        )
        return Emission(_TOPIC[fact], key, value.encode(), () if source[0] == "w" else _WITH_HEADER)


def id_of(emission: Emission) -> str:
    """The event id of what a pen wrote."""
    for name, value in emission.headers:
        if name == "ce_id":
            return value.decode()
    start = emission.value.index(b'"id":"') + 6
    return emission.value[start : emission.value.index(b'"', start)].decode()


def recorded(emission: Emission, at_ms: int) -> Emission:
    """The same, saying when its source came to record it; binary ones are left as they are."""
    if emission.headers and emission.headers[0][0] != "content-type":
        return emission
    told = f',"recordedtime":"{stamp(at_ms)}","data":'.encode()
    return emission._replace(value=emission.value.replace(b',"data":', told, 1))
