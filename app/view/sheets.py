"""Tables as files, written a part at a time: CSV with amounts as decimal strings, Parquet with decimal128."""

from __future__ import annotations

import csv
import io
from asyncio import to_thread
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from typing import Any, Final, Literal, NamedTuple, Protocol

from springtide.tables.money import DECIMALS

Kind = Literal["text", "units", "amount", "instant"]
Row = Mapping[str, Any]
"""Column -> value as answers have it: amounts as decimal strings, instants as RFC 3339; None is empty."""
GROUP_ROWS: Final = 2_000
"""Rows of a row group of Parquet, which is what is kept in memory."""
DIGITS: Final = 38


class Column(NamedTuple):
    name: str
    kind: Kind


class Sheet(Protocol):
    """One file in the making; what the methods give are its next bytes."""

    content_type: str

    def add(self, rows: Iterable[Row]) -> bytes: ...

    def end(self) -> bytes: ...


async def sheet_of(form: str, columns: Sequence[Column]) -> Sheet:
    """`form` is csv or parquet."""
    if form == "csv":
        return _Csv(columns)
    # It takes a while to load, and most views never need it.
    arrow = await to_thread(import_module, "pyarrow")
    parquet = await to_thread(import_module, "pyarrow.parquet")
    return _Parquet(columns, arrow, parquet)


class _Csv:
    """RFC 4180, with a line of names first."""

    content_type = "text/csv; charset=utf-8"

    def __init__(self, columns: Sequence[Column]) -> None:
        self._names = [column.name for column in columns]
        self._text = io.StringIO()
        self._writer = csv.writer(self._text)
        self._writer.writerow(self._names)

    def add(self, rows: Iterable[Row]) -> bytes:
        self._writer.writerows([row[name] for name in self._names] for row in rows)
        return self.end()

    def end(self) -> bytes:
        written = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return written


class _Parquet:
    content_type = "application/vnd.apache.parquet"

    def __init__(self, columns: Sequence[Column], arrow: Any, parquet: Any) -> None:
        types = {
            "text": arrow.string(),
            "units": arrow.int64(),
            "amount": arrow.decimal128(DIGITS, DECIMALS),
            "instant": arrow.timestamp("us", tz="UTC"),
        }
        self._columns = columns
        self._arrow = arrow
        self._schema = arrow.schema([(column.name, types[column.kind]) for column in columns])
        self._sink = _Sink()
        self._writer = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._waiting: list[Row] = []

    def add(self, rows: Iterable[Row]) -> bytes:
        self._waiting.extend(rows)
        if len(self._waiting) >= GROUP_ROWS:
            self._write()
        return self._sink.taken()

    def end(self) -> bytes:
        if self._waiting:
            self._write()
        self._writer.close()
        return self._sink.taken()

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        columns = [[_value(row[name], kind) for row in waiting] for name, kind in self._columns]
        arrays = [
            self._arrow.array(values, type=field.type)
            for values, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))


def _value(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    if kind == "amount":
        return Decimal(value)
    return datetime.fromisoformat(value) if kind == "instant" else value


class _Sink(io.RawIOBase):
    """A file that only goes on; what was written is taken out now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        raw = bytes(part)
        self._parts.append(raw)
        self._at += len(raw)
        return len(raw)

    def tell(self) -> int:
        return self._at

    def taken(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken
