"""One subscription in one partition of `status-changes`: where it stands, and the order it keeps.

The changes of one order are told one after the other, those of different orders beside each other. What was
told beyond the first change that was not is remembered, so that after a crash only what was on its way is
told twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic, time
from typing import Final

import msgspec

from springtide.app.push.channel import Channel, Trouble
from springtide.app.push.delivery import Change, Meaning
from springtide.codecs.letters import StatusChange
from springtide.codecs.subscriptions import Filter

OUTSTANDING_MAX: Final = 2_000
"""Changes read and not yet told; then reading waits."""
PARKED_MAX: Final = 1_000
REPLAYS_MAX: Final = 100


class Parked(msgspec.Struct, frozen=True, omit_defaults=True):
    """A change that was given up, and whom it concerns."""

    offset: int
    order_id: str
    version: int
    status: str
    why: str
    at_ms: int
    previous: str | None = None
    """The status before, which is what the receiver shows."""
    customer_id: str | None = None
    channel: str | None = None
    region: str | None = None


class Place(msgspec.Struct, array_like=True):
    """What a cursor keeps in the log. All before `position` is settled, and of what is behind it `done` is."""

    position: int = 0
    done: list[int] = []
    told: int = 0
    skipped: int = 0
    """Left out by coalescing."""
    parked: list[Parked] = []
    replays: list[str] = []
    """Ids of the last replays that are done."""
    read_to: int = 0
    """Up to here changes were read; of those that were wanted `waiting` are not settled."""
    waiting: int = 0
    oldest_ms: int = 0
    """When the first of these was written to the log."""
    trouble: Trouble | None = None
    schema: int = 2


def matches(wanted: Filter, letter: StatusChange) -> bool:
    """Whether a change is one that a filter wants."""
    return (
        (not wanted.status or letter.status in wanted.status)
        and (not wanted.cause or letter.cause in wanted.cause)
        and (not wanted.channel or letter.channel in wanted.channel)
        and (not wanted.region or letter.region in wanted.region)
        and (not wanted.customer_class or letter.customer_class in wanted.customer_class)
    )


class Cursor:
    """See the module. `changed` is called whenever `place` has moved on."""

    def __init__(self, channel: Channel, place: Place, changed: Callable[[], None]) -> None:
        self.channel = channel
        self.place = place
        self._changed = changed
        self._done = set(place.done)
        self._outstanding: dict[int, int] = {}
        """Offsets that are read and not settled, in their order, and when each was written."""
        self._read_to = place.position
        self._by_order: dict[str, deque[tuple[Change, float]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._replaying: dict[str, int] = {}
        self._room = asyncio.Event()
        self._room.set()
        channel.watchers[changed] = None

    @property
    def read_to(self) -> int:
        """The next offset it wants to read."""
        return self._read_to

    @property
    def outstanding(self) -> int:
        return len(self._outstanding)

    def snapshot(self) -> Place:
        """Where it stands, to be kept in the log."""
        self._done = {offset for offset in self._done if offset > self.place.position}
        place = self.place
        place.done = sorted(self._done)
        place.read_to, place.waiting = self._read_to, len(self._outstanding)
        place.oldest_ms = next(iter(self._outstanding.values()), 0)
        known = place.trouble
        place.trouble = self.channel.trouble or (None if known is None else known.over())
        return place

    async def room(self) -> None:
        """Waits until more may be taken in."""
        await self._room.wait()

    def take(self, changes: list[Change], read_to: int) -> None:
        """Takes in what was read of the log, up to the offset `read_to`."""
        wanted = self.channel.subscription.filter
        for change in changes:
            if change.offset < self._read_to or change.offset in self._done:
                continue
            if matches(wanted, change.letter):
                self._outstanding[change.offset] = change.at_ms
                self._enqueue(change)
        self._read_to = max(self._read_to, read_to)
        self._settle()

    def replay(self, replay: str, changes: list[Change]) -> None:
        """Tells old changes again, behind what waits for the same orders."""
        wanted = self.channel.subscription.filter
        again = [change._replace(replay=replay) for change in changes if matches(wanted, change.letter)]
        self._replaying[replay] = len(again)
        for change in again:
            self._enqueue(change)
        if not again:
            self._replayed(replay)

    async def close(self) -> None:
        """Stops telling; what is on its way is told again another time."""
        self.channel.watchers.pop(self._changed, None)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # --- inside ---

    def _enqueue(self, change: Change) -> None:
        order_id = change.letter.order_id
        waiting = self._by_order.get(order_id)
        if waiting is not None:
            waiting.append((change, monotonic()))
            return
        self._by_order[order_id] = deque([(change, monotonic())])
        task = asyncio.create_task(self._tell_order(order_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell_order(self, order_id: str) -> None:
        waiting = self._by_order[order_id]
        while waiting:
            change, since = waiting[0]
            if change.replay is None and (window_ms := self.channel.subscription.coalesce_ms):
                await asyncio.sleep(max(0.0, since + window_ms / 1_000 - monotonic()))
                while len(waiting) > 1 and waiting[1][0].replay is None:
                    waiting.popleft()
                    self.place.skipped += 1
                    self._settled(change)
                    change, _ = waiting[0]
            answer = await self.channel.deliver(change)
            if answer.meaning is Meaning.ENDED:
                return  # nothing is told any more; where it stands is kept
            waiting.popleft()
            if answer.meaning is Meaning.TAKEN:
                self.place.told += 1
                if change.replay is not None:
                    self._no_more_parked(change)
            else:
                self._park(change, answer.why)
            self._settled(change)
        del self._by_order[order_id]

    def _park(self, change: Change, why: str) -> None:
        letter = change.letter
        self.place.parked.append(
            Parked(
                change.offset,
                letter.order_id,
                letter.version,
                letter.status,
                why,
                int(time() * 1_000),
                letter.previous,
                letter.customer_id,
                letter.channel,
                letter.region,
            )
        )
        del self.place.parked[:-PARKED_MAX]

    def _no_more_parked(self, change: Change) -> None:
        parked = self.place.parked
        parked[:] = [one for one in parked if one.offset != change.offset]

    def _settled(self, change: Change) -> None:
        if change.replay is not None:
            self._replaying[change.replay] -= 1
            if self._replaying[change.replay] == 0:
                self._replayed(change.replay)
            return
        del self._outstanding[change.offset]
        self._done.add(change.offset)
        self._settle()

    def _replayed(self, replay: str) -> None:
        del self._replaying[replay]
        self.place.replays.append(replay)
        del self.place.replays[:-REPLAYS_MAX]
        self._changed()

    def _settle(self) -> None:
        first = next(iter(self._outstanding), self._read_to)
        if first > self.place.position:
            self.place.position = first
            if len(self._done) > OUTSTANDING_MAX or not self._outstanding:
                self._done = {offset for offset in self._done if offset > first}
        if len(self._outstanding) >= OUTSTANDING_MAX:
            self._room.clear()
        else:
            self._room.set()
        self._changed()
