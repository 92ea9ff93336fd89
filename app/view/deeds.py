"""Holds and promises over HTTP: an event or a question is written, and its outcome is what is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from time import time
from typing import Any, Final
from uuid import uuid4

import msgspec

from springtide.agents.topics import ATP, INBOX_ORDER, ORDER_STATUS
from springtide.app.access.caller import NO_BOUND, Bound
from springtide.app.settings import Settings
from springtide.app.view import history
from springtide.app.view.bodies import read_body
from springtide.app.view.bounds import checked_channel, checked_order, checked_owner
from springtide.app.view.follower import Follower
from springtide.app.view.intake import Intake
from springtide.app.view.live import LiveWorld
from springtide.app.view.positions import token
from springtide.app.view.problems import Problem, bad_request, shown
from springtide.app.view.submission import ONE, Posted
from springtide.app.view.whatif import WhatIf
from springtide.codecs.cloudevents import Refused, refuse_control_characters
from springtide.codecs.facts import Id, Lines, Qty, Rank, Sourcing, Text, Ttl
from springtide.codecs.messages import PromiseAsked, encode
from springtide.codecs.records import partition_for
from springtide.codecs.times import SECOND_US, day_start, rfc3339
from springtide.tables import atp
from springtide.tables.promise import promise_outcome
from springtide.tables.sku import Head, Hold, PastHold

WAIT_S: Final = 5.0
KEPT_S: Final = 24 * 3_600
KEY_MAX: Final = 128
SOURCE: Final = "storefront/api"
NOWHERE: Final = (0, 0, -1)


class HoldAsked(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """`POST /v1/holds`."""

    sku: Id
    qty: Qty
    ttl_s: Ttl
    owner: Text = "api"
    location: Id | None = None
    channel: Id | None = None
    hold_id: Id | None = None


class Extended(msgspec.Struct, forbid_unknown_fields=True):
    ttl_s: Ttl
    sku: Id | None = None


class Released(msgspec.Struct, forbid_unknown_fields=True):
    sku: Id | None = None


class Converted(msgspec.Struct, forbid_unknown_fields=True):
    order_id: Id
    line_id: Id
    sku: Id | None = None


class PromiseWanted(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/promises`."""

    lines: Lines
    channel: Id
    order_id: Id | None = None
    ship_complete: bool = False
    sourcing: Sourcing | None = None
    priority: Rank = 100
    dry_run: bool = False


_hold: Final = msgspec.json.Decoder(HoldAsked)
_promise: Final = msgspec.json.Decoder(PromiseWanted)
_deeds: Final[Mapping[str, msgspec.json.Decoder[Any]]] = {
    "extend": msgspec.json.Decoder(Extended),
    "release": msgspec.json.Decoder(Released),
    "convert": msgspec.json.Decoder(Converted),
}
_encode: Final = msgspec.json.Encoder().encode


class Deeds:
    """See the module. `read` checks a posted event as any other, and says where it goes."""

    def __init__(
        self,
        follower: Follower,
        intake: Intake,
        settings: Settings,
        world: Callable[[], LiveWorld],
        read: Callable[[str, bytes], Awaitable[list[Posted]]],
    ) -> None:
        self._follower = follower
        self._intake = intake
        self._settings = settings
        self._world = world
        self._read = read
        self._shown = asyncio.Event()

    def changed(self) -> None:
        """Something new is shown."""
        self._shown.set()
        self._shown = asyncio.Event()

    # --- holds ---

    async def place(self, raw: bytes, bound: Bound = NO_BOUND) -> dict[str, Any]:
        """The hold, active; Problem with what is left if it was refused."""
        asked = read_body(_hold, raw)
        checked_channel(asked.channel, bound)
        checked_owner(asked.owner, bound)
        hold_id = asked.hold_id or f"hold-{uuid4()}"
        data = {
            name: value
            for name in ("location", "channel", "qty", "ttl_s", "owner")
            if (value := getattr(asked, name)) is not None
        }
        position = await self._tell("hold.placed", asked.sku, {"hold_id": hold_id, **data})
        world = self._world()
        world.rows.put({history.HOLD + hold_id.encode(): asked.sku.encode()})
        body = self._hold_body(world, asked.sku, hold_id)
        if body is None or body["state"] == "refused":
            left = self._left(world, asked.sku, asked.location, asked.channel)
            raise _refused("hold-refused", f"{asked.qty} were asked for, and {left} are left", left, position)
        return body | {"position": position}

    async def act(self, hold_id: str, deed: str, raw: bytes, bound: Bound = NO_BOUND) -> dict[str, Any]:
        """Extends, releases or converts a hold; what became of it. Problem if it is over already."""
        asked = read_body(_deeds[deed], raw)
        world = self._world()
        sku = asked.sku
        if sku is None:
            known = world.rows.get(history.HOLD + hold_id.encode())
            sku = None if known is None else known.decode()
        before = None if sku is None else self._hold_body(world, sku, hold_id)
        is_others = (
            before is not None and "owner" in before and not bound.sees(before["owner"], before["channel"])
        )
        if sku is None or before is None or is_others:
            raise Problem(
                404,
                "unknown-hold",
                "Unknown hold",
                f"No hold '{shown(hold_id)}' is known; one that somebody else placed a moment ago is known with "
                "its SKU, as `sku` in the body.",
            )
        data: dict[str, Any] = {"hold_id": hold_id}
        if deed == "extend":
            data["ttl_s"] = asked.ttl_s
        elif deed == "convert":
            checked_order(world, asked.order_id, bound)
            data |= {"order_id": asked.order_id, "line_id": asked.line_id}
        elif before["state"] != "active":
            return before  # releasing what is over changes nothing
        position = await self._tell(f"hold.{_PAST[deed]}", sku, data)
        world = self._world()
        body = self._hold_body(world, sku, hold_id)
        assert body is not None
        if body["state"] != _STATES[deed]:
            left = self._left(world, sku, before.get("location"), before.get("channel"))
            why = f"the hold is {body['state']}; {left} are left for a new one"
            raise _refused(f"hold-{body['state']}", why, left, position)
        return body | {"position": position}

    def _hold_body(self, world: LiveWorld, sku: str, hold_id: str) -> dict[str, Any] | None:
        rows, now_us = world.sku_rows(sku)
        key = sku.encode()
        head: Head | None = rows.get(key)
        hold: Hold | None = None if head is None else head.holds.get(hold_id)
        if hold is not None:
            pledged = hold.pledged_to is not None
            state = "converted" if pledged else "active" if hold.expires_us > now_us else "expired"
            return {
                "hold_id": hold_id,
                "sku": sku,
                "state": state,
                "qty": sum(hold.cells.values()),
                "cells": hold.cells,
                "owner": hold.owner,
                "channel": hold.channel,
                "placed_at": rfc3339(hold.placed_us),
                "expires_at": rfc3339(hold.expires_us),
            }
        past: PastHold | None = rows.get(key + b"\x00h" + hold_id.encode())
        if past is None:
            return None
        return {
            "hold_id": hold_id,
            "sku": sku,
            "state": past.state,
            "qty": past.qty,
            "left": past.left,
            "ended_at": rfc3339(past.at_us),
        }

    def _left(self, world: LiveWorld, sku: str, location: str | None, channel: str | None) -> int:
        rows, now_us = world.sku_rows(sku)
        figures = atp.stock_now(rows, sku, now_us, location, channel)
        return 0 if figures is None else figures["available"]

    async def _tell(self, name: str, sku: str, data: dict[str, Any]) -> str:
        """Writes an event of a SKU and waits until it has had its effect; its position."""
        partition = self._follower.partition(ATP, sku.encode())
        event = {
            "specversion": "1.0",
            "id": str(uuid4()),
            "source": SOURCE,
            "type": f"springtide.{name}.v1",
            "subject": sku,
            "time": rfc3339(max(_now_us(), partition.meta.time_us)),
            "data": data,
        }
        positions = await self._intake.write(await self._read(ONE, _encode(event)))
        await self._follower.wait_for(positions, (partition,), WAIT_S)
        return token(positions)

    # --- promises ---

    async def promise(
        self, raw: bytes, key: str | None, bound: Bound = NO_BOUND, partner: str = ""
    ) -> dict[str, Any]:
        """What can be promised for a basket, line by line; kept for 24 h unless it is a dry run."""
        if key is not None and not 1 <= len(key) <= KEY_MAX:
            raise bad_request(
                f"The header Idempotency-Key has {len(key)} characters; it has 1 to {KEY_MAX}. The same key again is "
                "the same promise.",
                "Idempotency-Key",
                f"not 1 to {KEY_MAX} characters",
            )
        wanted = read_body(_promise, raw)
        _check_lines(wanted.lines)
        try:
            refuse_control_characters(msgspec.to_builtins(wanted), "")
        except Refused as refused:
            raise bad_request(f"{refused.reason}.", refused.field, refused.reason) from None
        checked_channel(wanted.channel, bound)
        if wanted.order_id is not None:
            checked_order(self._world(), wanted.order_id, bound)
        if wanted.dry_run:
            return self._dry_run(wanted)
        if key is None:
            key = f"once-{uuid4()}"
        if partner:  # one partner's key is never another's
            key = f"{partner}/{key}"
        name = (wanted.order_id or "promise-" + blake2b(key.encode(), digest_size=12).hexdigest()).encode()
        outcome = self._outcome(name, key)
        if outcome is not None:
            return outcome
        partition = self._follower.partition(ORDER_STATUS, name)
        asked = _asked(wanted, key, max(_now_us(), partition.meta.time_us))
        place = (INBOX_ORDER, partition_for(name, len(self._follower.partitions[ORDER_STATUS])))
        await self._intake.write([Posted(place, name, encode(asked))])
        try:
            async with asyncio.timeout(WAIT_S):
                while (outcome := self._outcome(name, key)) is None:
                    await self._shown.wait()
        except TimeoutError:
            raise Problem(
                504,
                "promise-not-answered",
                "The promise is not answered yet",
                f"After {WAIT_S:g} s the SKUs have not all answered. Ask again with the same Idempotency-Key.",
                retry_after_s=1,
            ) from None
        return outcome

    def _outcome(self, name: bytes, key: str) -> dict[str, Any] | None:
        order, _ = self._world().order(name.decode())
        if order is None:
            return None
        if order.promise is None or order.promise.key != key:
            if order.placed or order.promise is not None:
                raise Problem(
                    409,
                    "order-known",
                    "The order is known already",
                    f"'{shown(name.decode())}' is an order, or was promised under another Idempotency-Key. Leave "
                    "order_id out, or give one that is new.",
                )
            return None
        return promise_outcome(order)

    def _dry_run(self, wanted: PromiseWanted) -> dict[str, Any]:
        live = self._world()
        name = (wanted.order_id or "promise-asked").encode()
        world = WhatIf(live, self._settings)
        order = world.promise(name, _asked(wanted, "dry-run", live.now_us))
        outcome = None if order is None else promise_outcome(order)
        if outcome is None:
            raise Problem(
                409,
                "order-known",
                "The order is known already",
                f"'{shown(name.decode())}' is an order, or was promised before; leave order_id out.",
            )
        return outcome | {"promise_id": None, "expires_at": None, "dry_run": True}


_PAST: Final = {"extend": "extended", "release": "released", "convert": "converted"}
_STATES: Final = {"extend": "active", "release": "released", "convert": "converted"}


def _check_lines(lines: Lines) -> None:
    known: dict[str, None] = {}
    for at, line in enumerate(lines):
        if line.line_id in known:
            raise bad_request(
                f"Line '{shown(line.line_id)}' is there twice.", f"lines[{at}].line_id", "not unique"
            )
        known[line.line_id] = None
        try:
            if line.requested_date is not None:
                day_start(line.requested_date)
        except ValueError:
            text = shown(line.requested_date or "")
            raise bad_request(f"'{text}' is no day.", f"lines[{at}].requested_date", "not a day") from None


def _asked(wanted: PromiseWanted, key: str, now_us: int) -> PromiseAsked:
    return PromiseAsked(
        key,
        now_us,
        now_us,
        NOWHERE,
        f"{SOURCE} {key}",
        now_us + KEPT_S * SECOND_US,
        wanted.channel,
        wanted.lines,
        wanted.ship_complete,
        wanted.sourcing,
        wanted.priority,
    )


def _refused(kind: str, why: str, left: int, position: str) -> Problem:
    return Problem(
        409,
        kind,
        "The hold is refused",
        f"{why[0].upper()}{why[1:]}.",
        more={"left": left, "position": position},
    )


def _now_us() -> int:
    return int(time() * SECOND_US)
