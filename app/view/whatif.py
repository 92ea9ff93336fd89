"""What if: events applied to what the view shows, by the same actors, and nothing of it written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from springtide.agents.order import GOODS_PREFIX
from springtide.agents.sku import decode_row as decode_sku_row
from springtide.agents.topics import ATP, CUSTOMERS, INBOX_ORDER, ORDER_STATUS
from springtide.agents.work import ROW, Meta, encode_meta
from springtide.app import wiring
from springtide.app.settings import Settings
from springtide.app.simulate import Malformed, Simulation
from springtide.app.standing import Begin
from springtide.app.view.answers import body_of
from springtide.app.view.bodies import read_body
from springtide.app.view.follower import PREFIXES
from springtide.app.view.keeping import COMPOUND
from springtide.app.view.live import LiveWorld
from springtide.app.view.problems import Fault, Problem, bad_request, shown
from springtide.app.view.questions import AtpQuestion, AtRiskQuestion, OrderQuestion, parse_target
from springtide.app.view.rows import Rows
from springtide.app.view.world import Place, rank_of
from springtide.codecs.messages import PromiseAsked, encode
from springtide.tables.catalog import NETWORK_KEY, goods_key
from springtide.tables.order import Order

EVENTS_MAX: Final = 500
PATHS_MAX: Final = 50
_PREFIX: Final = {"sku": PREFIXES[ATP], "order": PREFIXES[ORDER_STATUS], "customer": PREFIXES[CUSTOMERS]}


Asked: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^/v1/(atp/[^/?]|orders/[^/?]|at-risk(\?|$))")]


class WhatIfAsked(msgspec.Struct, forbid_unknown_fields=True):
    """What is asked: events that did not happen, and paths to answer as if they had."""

    events: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=EVENTS_MAX)] = []
    ask: Annotated[list[Asked], msgspec.Meta(max_length=PATHS_MAX)] = []


_body: Final = msgspec.json.Decoder(WhatIfAsked)


class Behind:
    """The rows that one kind of actor would have, as the view shows them. What an actor keeps for itself (who
    waits for what instant, which events it has seen) is not shown, and not there."""

    def __init__(self, rows: Rows, kind: str, settings: Settings) -> None:
        self._rows = rows
        self._kind = kind
        self._prefix = _PREFIX[kind]
        self._encode = {b.kind: b.encode_row for b in wiring.behaviours(settings)}[kind]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self._get(key[len(ROW) :]) if key[:1] == ROW else None for key in keys]

    def _get(self, key: bytes) -> bytes | None:
        if self._kind == "order" and key[:1] == b"\x00":
            return self._of_catalog(key)
        return self._rows.get(self._prefix + key)

    def _of_catalog(self, key: bytes) -> bytes | None:
        """What orders know of the catalog, as the SKUs know it."""
        if key == NETWORK_KEY:
            raw = self._rows.get(_PREFIX["sku"] + key)
        elif key.startswith(GOODS_PREFIX):
            raw = self._rows.get(COMPOUND + key[len(GOODS_PREFIX) :])
        else:
            return None
        return None if raw is None else self._as_orders(key, raw)

    def _as_orders(self, key: bytes, raw: bytes) -> bytes:
        known_as = key if key == NETWORK_KEY else goods_key(key[len(GOODS_PREFIX) :])
        return self._encode(key, decode_sku_row(known_as, raw))

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        if self._kind == "order" and prefix == ROW + GOODS_PREFIX:
            for key, raw in self._rows.scan(COMPOUND):
                own = GOODS_PREFIX + key[len(COMPOUND) :]
                yield ROW + own, self._as_orders(own, raw)
        elif prefix[:1] == ROW:
            for key, raw in self._rows.scan(self._prefix + prefix[len(ROW) :]):
                yield ROW + key[len(self._prefix) :], raw


class WhatIf(Simulation):
    """The world as shown, to which events can be applied. Lists are those shown, with what the events touched."""

    def __init__(self, live: LiveWorld, settings: Settings) -> None:
        meta = encode_meta(Meta(time_us=live.now_us))
        begins = {kind: Begin(Behind(live.rows, kind, settings), meta) for kind in _PREFIX}
        super().__init__(settings, begins)
        self._live = live

    def orders_at_risk(self, after: Place | None) -> Iterator[tuple[Place, Order]]:
        by_priority = self._live.by_priority()
        found = {order.order_id: (place, order) for place, order in self._live.orders_at_risk(after)}
        for order in self._orders():
            place = rank_of(order, by_priority)
            if order.placed and (after is None or place > after):
                found[order.order_id] = (place, order)
        return iter(sorted(found.values(), key=lambda one: one[0]))

    def promise(self, key: bytes, asked: PromiseAsked) -> Order | None:
        """The order that would come of a promise asked for."""
        self.tell(INBOX_ORDER, key, encode(asked))
        return self.order(key.decode())[0]


def whatif_answer(live: LiveWorld, settings: Settings, raw: bytes) -> dict[str, Any]:
    """`{answers: [...]}`, one for each path; Problem if the body or an event can't be taken."""
    body = read_body(_body, raw)
    questions = []
    for at, target in enumerate(body.ask):
        question = parse_target(target)
        past = isinstance(question, AtpQuestion | OrderQuestion) and not question.at.is_now
        if past or not isinstance(question, AtpQuestion | OrderQuestion | AtRiskQuestion):
            raise bad_request(
                f"'{shown(target)}' is no question to ask here: ask for /v1/atp/SKU, /v1/orders/ID or /v1/at-risk, "
                "as of now.",
                f"ask[{at}]",
                "not answered by a what-if",
            )
        questions.append((target, question))
    world = WhatIf(live, settings)
    _apply(world, body.events)
    answers: list[dict[str, Any]] = []
    for target, question in questions:
        try:
            answers.append(body_of(question, world))
        except Problem as problem:
            answers.append(problem.body(target.partition("?")[0]))
    return {"answers": answers}


def _apply(world: WhatIf, events: Sequence[msgspec.Raw]) -> None:
    faults: list[Fault] = []
    for at, event in enumerate(events):
        before = world.refused
        try:
            world.apply(bytes(event))
        except Malformed as error:
            faults.append({"path": f"events[{at}]", "message": str(error), "code": "not_json"})
            continue
        letter = world.last_refused()
        if world.refused > before and letter is not None:
            path = f"events[{at}].{letter.field}".rstrip(".")
            faults.append({"path": path, "message": letter.reason, "code": letter.code})
    if faults:
        raise Problem(
            400,
            "invalid-event",
            "Events are not valid",
            f"{len(faults)} of {len(events)} events can't be taken: {faults[0]['message']}.",
            errors=faults[:100],
        )
