"""What SkuActors said and hold, against the naive second implementation over the very same inboxes."""

from __future__ import annotations

from springtide.agents.topics import INBOX_ORDER
from springtide.app.simulation.replay import Replay
from springtide.app.simulation.stage import Stage
from springtide.app.simulation.violation import Violation
from springtide.app.verify.compare import dated_picture, difference, sku_picture
from springtide.app.verify.naive_skus import NaiveSkuPartition
from springtide.codecs.messages import Supplied
from springtide.codecs.records import partition_for
from springtide.tables.sku import Head

Answers = dict[tuple[str, str, int], Supplied]
"""(SKU, order, number) -> answer."""


def check_skus(stage: Stage, one: Replay) -> None:
    """Every answer of one SkuActor, and every figure it ends with; Violation where they differ."""
    (inbox,) = stage.layout.inputs[one.actor_id]
    naive = NaiveSkuPartition(stage.layout.inbox_partitions, stage.retention_us)
    due: Answers = {}
    for record, message in stage.messages()[inbox]:
        if message is None or (record.topic, record.partition, record.offset) in stage.poison:
            continue
        for answer in naive.apply(record.key or b"", message):
            due[answer.supplied.sku, answer.order_id, answer.supplied.seq] = answer.supplied
        for oversold, cell in naive.oversold:
            raise Violation("2", f"{oversold} in {cell.location}: {cell.granted} granted of {cell.sellable}")
    sent = _sent(stage, one.actor_id.partition)
    for key in dict.fromkeys([*due, *sent]):
        if sent.get(key) != due.get(key):
            told = difference(sent.get(key), due.get(key))
            raise Violation("second", f"answer {key[2]} of {key[0]} to {key[1]}: {told}")
    for name, sku in naive.skus.items():
        sku.recount()
        head = one.actor.work.rows.get(name.encode())
        found = difference(sku_picture(head) if isinstance(head, Head) else None, sku.picture())
        found = found or difference(
            dated_picture(one.actor.work.rows.get(name.encode() + b"\x00d")), sku.dated()
        )
        if found is not None:
            raise Violation("second", f"{name}: {found}")


def _sent(stage: Stage, partition: int) -> Answers:
    found: Answers = {}
    inboxes = stage.layout.inbox_partitions
    for place, messages in stage.messages().items():
        for record, message in messages if place[0] == INBOX_ORDER else ():
            is_poison = (record.topic, record.partition, record.offset) in stage.poison
            if not isinstance(message, Supplied) or is_poison:
                continue
            if partition_for(message.sku.encode(), inboxes) == partition:
                found[message.sku, (record.key or b"").decode(), message.seq] = message
    return found
