"""A drill from its beginning to its end: stack, load, faults, silence, proof."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from springtide.app.drill.faults import Injector
from springtide.app.drill.outcome import DrillFailed, Outcome, recovery
from springtide.app.drill.plan import Fault
from springtide.app.drill.replica import Compared, allocated, compare
from springtide.app.drill.rush import SKU as RUSH_SKU
from springtide.app.drill.rush import PromiseRush, Rush, judged, order_ids, promised
from springtide.app.drill.settle import drained, shown_positions
from springtide.app.drill.told import Told
from springtide.app.drill.traffic import Traffic, trade
from springtide.app.drill.watch import Watch
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.settings import Settings
from springtide.app.trade.spec import TradeSpec
from springtide.app.up.stack import Stack
from springtide.app.verify.proof import Proof, prove
from springtide.app.verify.verdict import Verdict

_READY_S: Final = 120.0
_LOOK_EVERY_S: Final = 0.05
RUSH_S_PER_FAULT: Final = 8.0
"""A rush is spread over the time that the faults take, about."""


@dataclass(slots=True, kw_only=True)
class Result:
    """What a drill has shown. `trouble` says in sentences what is not as it must be."""

    verdict: Verdict
    outcomes: list[Outcome]
    compared: Compared
    written: int
    """Events that the broker acknowledged to the load."""
    behind_ms_max: float
    seconds: float = 0.0
    trouble: list[str] = field(default_factory=list)


class Drill:
    """One drill. `run` blocks, and leaves nothing running; `hurry`, in a signal handler, makes the end quick."""

    def __init__(
        self,
        settings: Settings,
        faults: Sequence[Fault],
        *,
        seed: int,
        rate_per_s: float,
        events_min: int,
        skus: int,
        told: Told,
        rush: tuple[int, int] | None = None,
        promises: bool = False,
    ) -> None:
        """The stack lives in `settings.data_dir`, on a broker of its own. The load goes on until all faults
        are made, and at least `events_min` events are written. `rush`: so many orders for so many units of
        one SKU come while the faults are made; with `promises` they are asked for over HTTP."""
        self.ending = False
        """Whether all is being stopped: nothing may interrupt that."""
        self._settings = settings.model_copy(update={"broker": None, "port": 0})
        self._faults = faults
        self._seed = seed
        self._rate_per_s = rate_per_s
        self._events_min = events_min
        self._skus = skus
        self._told = told
        self._rush = rush
        self._promises = promises
        workers = max(fault.workers for fault in faults)
        self._stack = Stack(self._settings, workers, 1, told=told.happened)

    def hurry(self) -> None:
        self._stack.hurry()

    def run(self) -> Result:
        """Raises StackError, BrokerError or LogUnavailable if the drill itself can't go on."""
        began_s = time.monotonic()
        watch: Watch | None = None
        traffic: Traffic | None = None
        try:
            self._told.stage("starting the stack")
            self._stack.start(self._told.fetched)
            watch = Watch(self._stack.connection, self._settings)
            spec = trade(self._seed, self._skus)
            traffic = self._traffic(spec)
            self._stack.wait_until_ready(_READY_S)
            watch.start()
            traffic.start()
            trouble: list[str] = []
            outcomes = self._make_faults(Injector(self._stack, watch, traffic), traffic, trouble)
            if isinstance(traffic, Rush):
                self._told.stage(f"waiting for the last of {traffic.orders:,} orders")
                while traffic.rushed < traffic.orders:
                    traffic.check()
                    self._stack.check()
                    time.sleep(_LOOK_EVERY_S)
            self._told.stage("letting it come to rest")
            traffic.end()
            result = self._prove(watch, traffic, outcomes)
            result.trouble[:0] = trouble
            result.verdict.ok = result.verdict.ok and not result.trouble
            result.seconds = round(time.monotonic() - began_s, 1)
            self.ending = True
            return result
        finally:
            self.ending = True
            self._told.stage("stopping the stack")
            try:
                if traffic is not None:
                    traffic.abandon()
                if watch is not None:
                    watch.end()
            finally:
                self._stack.stop()

    def _traffic(self, spec: TradeSpec) -> Traffic:
        if self._rush is None:
            return Traffic(self._stack.connection, spec, self._rate_per_s)
        orders, units = self._rush
        more: dict[str, Any] = {
            "orders": orders,
            "units": units,
            "seconds": RUSH_S_PER_FAULT * len(self._faults),
        }
        if self._promises:
            url = self._stack.view_url
            return PromiseRush(self._stack.connection, spec, self._rate_per_s, url=url, **more)
        return Rush(self._stack.connection, spec, self._rate_per_s, **more)

    def _make_faults(self, injector: Injector, traffic: Traffic, trouble: list[str]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        try:
            for workers, faults in groupby(self._faults, key=lambda fault: fault.workers):
                self._told.stage(f"bringing {workers} worker{'s' if workers > 1 else ''} to work")
                injector.use_workers(workers)
                for fault in faults:
                    self._told.stage(f"fault {fault.number} of {len(self._faults)}: {fault.kind}")
                    outcome = injector.make(fault)
                    outcomes.append(outcome)
                    self._told.outcome(outcome)
                    if outcome.trouble is not None:
                        trouble.append(f"fault {fault.number}, {fault.kind}: {outcome.trouble}")
                        return outcomes
        except DrillFailed as error:
            trouble.append(str(error))
            return outcomes
        self._told.stage(f"writing at least {self._events_min:,} events")
        while traffic.events < self._events_min:
            traffic.check()
            self._stack.check()
            time.sleep(_LOOK_EVERY_S)
        return outcomes

    def _prove(self, watch: Watch, traffic: Traffic, outcomes: list[Outcome]) -> Result:
        trouble: list[str] = []
        proof, positions = asyncio.run(self._read(watch, trouble))
        verdict = proof.verdict()
        trouble += _unlike(verdict, traffic.acknowledged)
        self._told.stage("asking the view")
        compared = Compared()
        try:
            compared = compare(
                self._stack.view_url,
                proof.sku_pictures(),
                list(proof.order_pictures()),
                positions | traffic.last_offsets,
                self._seed,
            )
        except DrillFailed as error:
            trouble.append(str(error))
        if compared.different:
            trouble.append(
                f"{compared.different} answers of the view are not what the logs say: {compared.shown[0]}"
            )
        if isinstance(traffic, Rush):
            self._told.stage("asking who has won")
            trouble += self._judge(traffic, proof)
        verdict.faults = len(outcomes)
        verdict.recovery_s = recovery(outcomes)
        return Result(
            verdict=verdict,
            outcomes=outcomes,
            compared=compared,
            written=traffic.acknowledged,
            behind_ms_max=traffic.behind_ms_max,
            trouble=trouble,
        )

    def _judge(self, rush: Rush, proof: Proof) -> list[str]:
        if isinstance(rush, PromiseRush):
            committed = {
                sku: sum(cell["committed"] for cell in picture["cells"].values())
                for sku, picture in proof.sku_pictures()
                if sku == RUSH_SKU
            }.get(RUSH_SKU)
            return rush.wrong + promised(rush.granted, committed, rush.orders, rush.units)
        names = order_ids(rush.orders)
        wanted = frozenset(names)
        replayed = {
            order_id: picture["lines"]["1"]["allocated"]
            for order_id, picture in proof.order_pictures()
            if order_id in wanted
        }
        try:
            granted = allocated(self._stack.view_url, names)
        except DrillFailed as error:
            return [str(error)]
        return judged(granted, replayed, rush.orders, rush.units)

    async def _read(self, watch: Watch, trouble: list[str]) -> tuple[Proof, dict[str, int]]:
        """The proof, and where each projection ends."""
        log = KafkaLog(self._stack.connection)
        await log.start()
        try:
            try:
                await drained(log, self._settings, watch)
            except DrillFailed as error:
                trouble.append(str(error))
            self._told.stage("reading the logs")
            proof = await prove(log, self._settings, self._told.read)
            return proof, await shown_positions(log, self._settings)
        finally:
            await log.close()


def _unlike(verdict: Verdict, written: int) -> list[str]:
    """What the proof alone does not call a violation, and a drill must."""
    found = []
    if not verdict.quiescent:
        found.append(
            f"It did not come to rest: {sum(verdict.pending.values())} records pending, "
            f"{verdict.in_flight} in flight."
        )
    elif verdict.events != written:
        found.append(
            f"The broker acknowledged {written} events and the logs hold {verdict.events} that were passed."
        )
    return found
