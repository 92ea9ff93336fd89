"""Ruins the files of a RocksDB folder whose process is dead, as a failing disk would."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Final

_SCRIBBLES: Final = 8
_SCRIBBLE_BYTES: Final = 64


def damage(folder: Path, chance: random.Random) -> list[str]:
    """Ruins each store below `folder` in a way drawn for it; says what was done, such as `sku-0: MANIFEST-000005
    scribbled`. Empty if there is no store."""
    done: list[str] = []
    for current in sorted(folder.rglob("CURRENT")):
        store = current.parent
        ways = [(file, way) for file in sorted(store.iterdir()) for way in _ways(file)]
        kinds = sorted({_kind(file) for file, _ in ways})
        if not kinds:
            continue
        kind = chance.choice(kinds)
        file, (told, way) = chance.choice([one for one in ways if _kind(one[0]) == kind])
        way(file, chance)
        done.append(f"{store.name}: {file.name} {told}")
    return done


def _scribble(file: Path, chance: random.Random) -> None:
    size = file.stat().st_size
    with file.open("r+b") as opened:
        for _ in range(_SCRIBBLES):
            opened.seek(chance.randrange(max(1, size)))
            opened.write(chance.randbytes(_SCRIBBLE_BYTES))


def _cut(file: Path, chance: random.Random) -> None:
    with file.open("r+b") as opened:
        opened.truncate(chance.randrange(max(1, file.stat().st_size)))


def _delete(file: Path, _: random.Random) -> None:
    file.unlink()


_Way = tuple[str, Callable[[Path, random.Random], None]]
_SCRIBBLED: Final[_Way] = ("scribbled", _scribble)
_CUT_OFF: Final[_Way] = ("cut", _cut)
_DELETED: Final[_Way] = ("deleted", _delete)


def _ways(file: Path) -> tuple[_Way, ...]:
    kind = _kind(file)
    if kind in ("CURRENT", "MANIFEST"):
        return (_SCRIBBLED, _CUT_OFF)
    if kind == "sst":
        return (_SCRIBBLED, _CUT_OFF, _DELETED)
    if kind == "log" and file.stat().st_size:
        # Records that were cut off are as if never written; the log has them.
        return (_SCRIBBLED, _CUT_OFF)
    return ()


def _kind(file: Path) -> str:
    if file.suffix in (".sst", ".log"):
        return file.suffix[1:]
    return file.name.partition("-")[0]
