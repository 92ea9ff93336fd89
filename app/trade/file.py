"""A trade written to a file once and read many times, for runs in which the generator must not cost a core.

The format is this package's own: frames of at most 1,000 emissions, each a length (4 bytes, big endian) and
that many bytes of msgpack. That an emission is broken, and why, is not kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from springtide.app.trade.emission import Emission
from springtide.app.trade.generate import generate
from springtide.app.trade.spec import TradeSpec

_FRAME: Final = 1_000
_FRAME_BYTES_MAX: Final = 1 << 28
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[Emission]).decode


def write_file(spec: TradeSpec, path: Path, count: int) -> int:
    """Writes the first `count` emissions of a trade, or all if it ends before; returns how many."""
    emissions = islice(generate(spec), count)
    written = 0
    with path.open("wb") as file:
        while frame := list(islice(emissions, _FRAME)):
            raw = _encode(frame)
            file.write(len(raw).to_bytes(4, "big"))
            file.write(raw)
            written += len(frame)
    return written


def read_file(path: Path) -> Iterator[Emission]:
    """The emissions of a file, frame by frame. Raises ValueError if it is cut short or no such file."""
    with path.open("rb") as file:
        while head := file.read(4):
            size = int.from_bytes(head, "big")
            raw = file.read(size) if len(head) == 4 and size <= _FRAME_BYTES_MAX else b""
            try:
                if len(raw) != size or not size:
                    raise ValueError("a frame is cut short")
                frame = _decode(raw)
            except (ValueError, msgspec.MsgspecError) as error:
                raise ValueError(
                    f"{path} holds no whole trade at byte {file.tell()}: {error}. Write it again."
                ) from None
            yield from frame
