"""Position tokens: `topic/partition:offset`, joined by commas; each offset is the last one that counts.

A figure's token names the projection record it was computed at. The token of a POST names the events that
were written. Both are what `min_position` takes. -1 is a partition in which there is nothing yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

TOKEN_MAX: Final = 8_192
ENTRIES_MAX: Final = 256
_ENTRY: Final = re.compile(r"([A-Za-z0-9._-]{1,249}/[0-9]{1,6}):(-1|[0-9]{1,18})")
PATTERN: Final = f"^{_ENTRY.pattern}(,{_ENTRY.pattern})*$"
"""What a token looks like."""


def token(positions: Mapping[str, int]) -> str:
    """The token of `topic/partition` -> offset."""
    return ",".join(f"{name}:{offset}" for name, offset in sorted(positions.items()))


def parse(text: str) -> dict[str, int]:
    """The positions in a token; ValueError if it is none."""
    if len(text) > TOKEN_MAX:
        raise ValueError(f"it has {len(text)} characters, at most {TOKEN_MAX} are taken")
    entries = text.split(",")
    if len(entries) > ENTRIES_MAX:
        raise ValueError(f"it names {len(entries)} positions, at most {ENTRIES_MAX} are taken")
    positions: dict[str, int] = {}
    for entry in entries:
        match = _ENTRY.fullmatch(entry)
        if match is None:
            raise ValueError("it is no position token: pass on the `position` of an answer as it came")
        name, offset = match.group(1), int(match.group(2))
        positions[name] = max(offset, positions.get(name, -1))
    return positions
