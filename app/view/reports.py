"""What finance asks of many orders: reports that are made over many turns of the loop, and lists as files.

An order is counted as it was when it was looked at; nobody waits for a report longer than for one slice of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from time import perf_counter
from typing import Any, Final

import structlog
from aiohttp import web

from springtide.app.access.caller import Bound
from springtide.app.view import reconciliation
from springtide.app.view.bounds import world_for
from springtide.app.view.live import LiveWorld
from springtide.app.view.mismatches import mismatches
from springtide.app.view.problems import Problem
from springtide.app.view.questions import MismatchesQuestion, ReconciliationQuestion
from springtide.app.view.sheets import Column, Kind, Row, Sheet, sheet_of
from springtide.app.view.world import Place

AT_ONCE: Final = 4
"""Reports that are made at the same time; more are told to come again."""
SLICE_ORDERS: Final = 32
SLICE_S: Final = 0.004
CHUNK_BYTES: Final = 64 << 10

_log = structlog.get_logger("springtide.view")


def _columns(**kinds: Kind) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name, kind in kinds.items())


MISMATCH_COLUMNS: Final = _columns(
    order_id="text",
    status="text",
    finance="text",
    customer_id="text",
    channel="text",
    region="text",
    currency="text",
    placed_at="instant",
    line_id="text",
    sku="text",
    kinds="text",
    shipped="units",
    invoiced="units",
    credited="units",
    difference="units",
    late_units="units",
    amount="amount",
)
"""A row is a line that disagrees; `kinds` has spaces between them."""
_FIGURES: Final[dict[str, Kind]] = {
    **dict.fromkeys(reconciliation.UNITS, "units"),
    **dict.fromkeys(reconciliation.AMOUNTS, "amount"),
}
RECONCILIATION_COLUMNS: Final = (
    *_columns(month="text", region="text", channel="text", currency="text"),
    *_columns(**_FIGURES),
    *_columns(**{f"change_{name}": kind for name, kind in _FIGURES.items()}),
)


class Reports:
    """See the module."""

    def __init__(self, world: Callable[[], LiveWorld]) -> None:
        self._world = world
        self._at_work = 0

    async def body(self, asked: ReconciliationQuestion, bound: Bound) -> dict[str, Any]:
        """The month's report."""
        report = reconciliation.Reconciliation(asked)
        self._begin()
        try:
            while not report.done:
                began = perf_counter()
                while not report.done and perf_counter() - began < SLICE_S:
                    report.take(world_for(self._world(), bound), SLICE_ORDERS)
                await asyncio.sleep(0)
        finally:
            self._at_work -= 1
        return report.body()

    async def file(
        self,
        request: web.Request,
        asked: MismatchesQuestion | ReconciliationQuestion,
        bound: Bound,
        headers: Mapping[str, str],
    ) -> web.StreamResponse:
        """The same as a table, sent while it is made."""
        if isinstance(asked, ReconciliationQuestion):
            sheet = await sheet_of(asked.format, RECONCILIATION_COLUMNS)
            rows = list(reconciliation.rows(await self.body(asked, bound)))
            whole = sheet.add(rows) + sheet.end()
            return web.Response(body=whole, headers=_headers(sheet, "reconciliation", asked.format, headers))
        sheet = await sheet_of(asked.format, MISMATCH_COLUMNS)
        response = web.StreamResponse(headers=_headers(sheet, "mismatches", asked.format, headers))
        self._begin()
        try:
            await response.prepare(request)
            if request.method != "HEAD":
                async for part in self._parts(sheet, asked, bound):
                    await response.write(part)
                await response.write_eof()
        except ConnectionError:
            raise
        except Exception:  # noqa: BLE001 - it has begun, so the one way to say so is not to end it
            _log.exception("a file was not sent to its end", path=request.path)
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._at_work -= 1
        return response

    async def _parts(self, sheet: Sheet, asked: MismatchesQuestion, bound: Bound) -> AsyncIterator[bytes]:
        after: Place | None = None
        part = b""
        more = True
        while more:
            more, begin = False, after
            began = perf_counter()
            found: list[Row] = []
            of_all = mismatches(world_for(self._world(), bound), asked, after)
            for looked_at, (place, body) in enumerate(of_all, 1):
                after = place
                if body is not None:
                    found.extend(_lines(body))
                # To find the place again has its price, so that it is worth some orders.
                if looked_at >= SLICE_ORDERS and place != begin and perf_counter() - began > SLICE_S:
                    more = True
                    break
            part += sheet.add(found)
            if len(part) >= CHUNK_BYTES:
                yield part
                part = b""
            else:
                await asyncio.sleep(0)
        yield part + sheet.end()

    def _begin(self) -> None:
        if self._at_work >= AT_ONCE:
            raise Problem(
                503,
                "busy",
                "Reports are being made",
                f"{AT_ONCE} reports are being made just now.",
                retry_after_s=2,
            )
        self._at_work += 1


def _lines(body: Mapping[str, Any]) -> list[Row]:
    return [{**body, **line, "kinds": " ".join(line["kinds"])} for line in body["lines"]]


def _headers(sheet: Sheet, name: str, form: str, headers: Mapping[str, str]) -> dict[str, str]:
    return {
        "Content-Type": sheet.content_type,
        "Content-Disposition": f'attachment; filename="{name}.{form}"',
        **headers,
    }
