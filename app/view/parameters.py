"""Parameters of a query, read strictly: each is known, given once, and of its kind; else a Problem names it."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from springtide.app.view.positions import TOKEN_MAX, parse
from springtide.app.view.problems import bad_request, shown
from springtide.codecs.facts import QTY_MAX
from springtide.codecs.times import DAY_US, TIME_MAX_US, TIME_MIN_US, day_start, instant

STALENESS_MAX_MS: Final = 366 * 86_400_000
VALUE_MAX: Final = 256
"""Characters of a value, a position's and a cursor's aside."""
CURSOR_MAX: Final = 2_048
"""An id of 256 characters of the longest kind, quoted, and a number."""
LIMIT_DEFAULT: Final = 50
LIMIT_MAX: Final = 500
_MONTH: Final = re.compile(r"(19[789][0-9]|2[01][0-9]{2})-(0[1-9]|1[0-2])")
MONTH_PATTERN: Final = f"^{_MONTH.pattern}$"
_CURSOR: Final = re.compile(r"(-?[0-9]{1,18})\.((?:[A-Za-z0-9_-]{4})*(?:[A-Za-z0-9_-]{2,3})?)")
CURSOR_PATTERN: Final = f"^{_CURSOR.pattern}$"
_INTEGER: Final = re.compile(r"[0-9]{1,16}")
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_DAY_LAST: Final = TIME_MAX_US // DAY_US - 1
_OFFSET_AS_SPACE: Final = re.compile(r" (?=\d\d:?\d\d$)", re.ASCII)

Given: TypeAlias = Mapping[str, str]


class Freshness(msgspec.Struct, frozen=True):
    """How fresh an answer must be."""

    min_position: dict[str, int] = {}
    """`topic/partition` -> offset that must have had its effect."""
    max_staleness_ms: int | None = None


class Page(msgspec.Struct, frozen=True):
    """Which part of a list: at most `limit` that come after `after`, the place where the page before ended."""

    after: tuple[int, str] | None = None
    limit: int = LIMIT_DEFAULT


class Month(msgspec.Struct, frozen=True):
    """A month of the calendar, in UTC; `month` is 1 to 12."""

    year: int
    month: int

    @property
    def name(self) -> str:
        return f"{self.year}-{self.month:02d}"

    @property
    def before(self) -> Month:
        return Month(self.year, self.month - 1) if self.month > 1 else Month(self.year - 1, 12)

    @property
    def following(self) -> Month:
        return Month(self.year, self.month + 1) if self.month < 12 else Month(self.year + 1, 1)

    @property
    def first_day(self) -> int:
        """Days since 1970-01-01."""
        return day_start(f"{self.name}-01") // DAY_US


def given(pairs: Iterable[tuple[str, str]], known: tuple[str, ...]) -> dict[str, str]:
    """Name -> value; Problem for a name that is not known, that comes twice, or whose value is empty."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise bad_request(
                f"There is no parameter '{shown(name)}' here; there are {', '.join(known)}.",
                shown(name),
                "unknown parameter",
            )
        if name in found:
            raise bad_request(f"'{name}' is given twice; give it once.", name, "given twice")
        if not value:
            raise bad_request(f"'{name}' is empty; give it a value or leave it out.", name, "empty")
        most = _LONGER.get(name, VALUE_MAX)
        if len(value) > most:
            raise bad_request(
                f"'{name}' has {len(value)} characters, at most {most} are taken.", name, "too long"
            )
        found[name] = value
    return found


def quantity(found: Given, name: str) -> int | None:
    text = found.get(name)
    if text is None:
        return None
    if not _INTEGER.fullmatch(text) or not 1 <= int(text) <= QTY_MAX:
        raise _not_a(name, text, f"a whole number from 1 to {QTY_MAX}")
    return int(text)


def moment(found: Given, name: str) -> int | None:
    """Microseconds of an RFC 3339 instant. A `+` that was not quoted has become a space: it is taken as one.

    Nothing happens before 1970 or after 2200: an instant of then is the nearest that is not.
    """
    text = found.get(name)
    if text is None:
        return None
    text = _OFFSET_AS_SPACE.sub("+", text)
    try:
        if _INSTANT.fullmatch(text) is None:
            raise ValueError(text)
        at_us = instant(text.upper())
    except ValueError:
        raise _not_a(name, text, "an instant with an offset, such as 2026-03-02T06:00:00Z") from None
    return min(max(at_us, TIME_MIN_US), TIME_MAX_US)


def moment_or_day(found: Given, name: str) -> int | None:
    """The same; a day is its start in UTC."""
    text = found.get(name)
    if text is None or not _DAY.fullmatch(text):
        return moment(found, name)
    return (day(found, name) or 0) * DAY_US


def day(found: Given, name: str) -> int | None:
    """Days since 1970-01-01 of a calendar day, or of an instant's day in UTC; bounded as instants are."""
    text = found.get(name)
    if text is None:
        return None
    text = _OFFSET_AS_SPACE.sub("+", text)
    try:
        if (_DAY if len(text) <= 10 else _INSTANT).fullmatch(text) is None:
            raise ValueError(text)
        at_us = day_start(text.upper())
    except ValueError:
        raise _not_a(name, text, "a day, such as 2026-03-02") from None
    return min(max(at_us // DAY_US, 0), _DAY_LAST)


def month(found: Given, name: str) -> Month:
    text = found.get(name)
    if text is None:
        raise bad_request(f"Say which month, as {name}=2026-03.", name, "missing")
    match = _MONTH.fullmatch(text)
    if match is None:
        raise _not_a(name, text, "a month of the years 1970 to 2199, such as 2026-03")
    return Month(int(match[1]), int(match[2]))


def one_of(found: Given, name: str, words: Sequence[str]) -> str | None:
    text = found.get(name)
    if text is not None and text not in words:
        raise _not_a(name, text, f"one of {', '.join(words)}")
    return text


def several_of(found: Given, name: str, words: Sequence[str]) -> tuple[str, ...]:
    """Words with commas between them, each once, in the order in which they are known."""
    text = found.get(name)
    if text is None:
        return ()
    parts = text.split(",")
    for part in parts:
        if part not in words or parts.count(part) > 1:
            raise _not_a(name, text, f"some of {', '.join(words)}, each once, with commas between them")
    return tuple(word for word in words if word in parts)


def yes_or_no(found: Given, name: str) -> bool | None:
    text = one_of(found, name, ("true", "false"))
    return None if text is None else text == "true"


def page(found: Given) -> Page:
    text = found.get("limit")
    limit = LIMIT_DEFAULT
    if text is not None:
        if not _INTEGER.fullmatch(text) or not 1 <= int(text) <= LIMIT_MAX:
            raise _not_a("limit", text, f"a whole number from 1 to {LIMIT_MAX}")
        limit = int(text)
    cursor = found.get("cursor")
    return Page(None if cursor is None else _after(cursor), limit)


def cursor_of(place: tuple[int, str]) -> str:
    """What leads on from a place in a list."""
    return f"{place[0]}.{urlsafe_b64encode(place[1].encode()).decode().rstrip('=')}"


def _after(cursor: str) -> tuple[int, str]:
    """Every text of this form is some place, be there anything or not."""
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise bad_request(
            "The cursor is none that an answer gave: pass on `cursor` of the page before as it came.",
            "cursor",
            "not a cursor",
        )
    name = match[2]
    return int(match[1]), urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode(errors="replace")


def freshness(found: Given) -> Freshness:
    token, staleness = found.get("min_position"), found.get("max_staleness")
    if token is None and staleness is None:
        return _ANY
    positions: dict[str, int] = {}
    if token is not None:
        try:
            positions = parse(token)
        except ValueError as error:
            raise bad_request(f"min_position can't be used: {error}.", "min_position", str(error)) from None
    limit_ms = None
    if staleness is not None:
        if not _INTEGER.fullmatch(staleness) or int(staleness) > STALENESS_MAX_MS:
            raise _not_a(
                "max_staleness", staleness, f"a whole number of milliseconds from 0 to {STALENESS_MAX_MS}"
            )
        limit_ms = int(staleness)
    return Freshness(positions, limit_ms)


def _not_a(name: str, text: str, what: str) -> Exception:
    return bad_request(f"{name} '{shown(text)}' is not {what}.", name, f"not {what}")


_ANY: Final = Freshness()
_LONGER: Final = {"min_position": TOKEN_MAX, "cursor": CURSOR_MAX}
"""Names of values that may be longer than others."""
