"""Exceptions by what they are and by what was done about them, in a live view's rows."""

from __future__ import annotations

import msgspec
from shown import Shown
from story import Json, Story, line
from test_view_same_answers import simulated

from springtide.app.view import actions
from springtide.app.view.answers import answer
from springtide.app.view.originals import under_new_id
from springtide.codecs.actions import ExceptionAction, encode_action
from springtide.codecs.cloudevents import structured
from springtide.codecs.letters import DeadLetter
from springtide.codecs.records import Record


def trade() -> Story:
    """An order with an anomaly, a fact that waits, and two letters: of shipments and of inventory."""
    story = Story()
    story.counted(0, "A", 10)
    story.placed(0.1, "O1", line("A", 2))
    story.tell(0.2, "order.cancelled", "O1", lines=[{"line_id": "7", "qty": 1}])
    story.scanned(0.3, "O9", "S9", "delivered")
    story.tell(0.4, "shipment.voided", "O1", shipment_id="S1")  # no reason
    story.counted(0.5, "A", -1)
    return story


def kinds(body: Json) -> list[str]:
    return [entry["kind"] for entry in body["exceptions"]]


async def test_each_filter_and_both_together() -> None:
    async with Shown(simulated(trade())) as shown:

        def asked(query: str) -> list[str]:
            return kinds(answer(f"/v1/exceptions?{query}", shown.world)[1])

        assert asked("") == ["out_of_range", "missing_field", "order_unknown", "cancel_unknown_line"]
        assert asked("what=dead_letter") == ["out_of_range", "missing_field"]
        assert asked("what=anomaly") == ["cancel_unknown_line"]
        assert asked("what=waiting") == ["order_unknown"]
        assert asked("process=inventory") == ["out_of_range"]
        assert asked("source=wms&type=springtide.shipment.voided.v1") == ["missing_field"]
        assert asked("order=O1&source=oms") == ["cancel_unknown_line"]
        assert answer("/v1/exceptions?state=closed", shown.world)[0] == 400


async def test_what_was_done_takes_an_exception_from_the_open_list_and_shows_it_elsewhere() -> None:
    async with Shown(simulated(trade())) as shown:
        body = answer("/v1/exceptions", shown.world)[1]
        ids = {entry["kind"]: entry["id"] for entry in body["exceptions"]}

        # when one is replayed and another one, an order's, is discarded
        at = "2026-03-03T06:00:00Z"
        replayed = ExceptionAction(
            id=ids["out_of_range"],
            action="replayed",
            by="Ann",
            at=at,
            event_id="e6",
            positions={"inventory/0": 7},
        )
        discarded = ExceptionAction(
            id=ids["cancel_unknown_line"], action="discarded", by="Bob", at=at, reason="known"
        )
        for offset, action in enumerate((replayed, discarded)):
            record = Record("exception-actions", 0, offset, 0, action.id.encode(), encode_action(action))
            puts: dict[bytes, bytes | None] = {}
            actions.entries(record, 0, puts)
            shown.follower.rows.put(puts)  # type: ignore[union-attr]

        def asked(query: str) -> Json:
            return answer(f"/v1/exceptions?{query}", shown.world)[1]

        # then
        assert kinds(asked("")) == ["missing_field", "order_unknown"]
        assert kinds(asked("state=all")) == list(ids)
        assert kinds(asked("order=O1")) == ["missing_field"]
        (one,) = asked("state=replayed")["exceptions"]
        assert (one["action"]["by"], one["action"]["positions"]) == ("Ann", {"inventory/0": 7})
        (one,) = asked("state=discarded&what=anomaly")["exceptions"]
        assert (one["action"]["reason"], one["action"]["event_id"]) == ("known", None)
        # and pages go on past what is not open
        first = asked("limit=1")
        assert kinds(first) == ["missing_field"]
        assert kinds(asked(f"limit=1&cursor={first['cursor']}")) == ["order_unknown"]
        # each is found by its id
        for kind, name in ids.items():
            assert kinds(asked(f"id={name}&state=all")) == [kind]
        assert kinds(asked(f"id={ids['cancel_unknown_line']}")) == []  # it is open no more
        assert kinds(asked(f"id={ids['missing_field']}&order=O9")) == []
        assert kinds(asked("id=nothing&state=all")) == []


async def test_who_did_what_last_is_listed_the_newest_first() -> None:
    # given three deeds, one of them about what was discarded before
    async with Shown(simulated(trade())) as shown:
        deeds = [("a", "discarded", 1), ("b", "discarded", 2), ("a", "replayed", 3), ("c", "discarded", 3)]
        for name, action, second in deeds:
            told = ExceptionAction(id=name, action=action, by="Ann", at=f"2026-03-03T06:00:0{second}Z")  # type: ignore[arg-type]
            shown.follower.rows.put(actions.rows_of(told))  # type: ignore[union-attr]

        def asked(query: str) -> Json:
            return answer(f"/v1/exceptions/actions?{query}", shown.world)[1]

        # then each exception is there once, page by page
        first = asked("limit=2")
        assert [(one["id"], one["action"]) for one in first["actions"]] == [
            ("a", "replayed"),
            ("c", "discarded"),
        ]
        second_page = asked(f"limit=2&cursor={first['cursor']}")
        assert [one["id"] for one in second_page["actions"]] == ["b"]
        assert second_page["cursor"] is None


async def test_an_anomaly_that_is_no_more_is_found_no_more() -> None:
    # given a delivery before its order
    story = trade()
    simulation = simulated(story)
    async with Shown(simulation) as shown:
        (entry,) = answer("/v1/exceptions?what=waiting", shown.world)[1]["exceptions"]
        # when the order comes
        story.placed(1, "O9", line("A", 1))
        simulation.apply(story.lines[-1].encode())
        shown.show(simulation)
        await shown.settled()
        # then
        assert shown.world.noted_as(entry["id"]) is None


def letter(code: str) -> DeadLetter:
    return DeadLetter(
        id="orders/2/17",
        code=code,
        field="",
        reason="",
        topic="orders",
        partition=2,
        offset=17,
        at="2026-03-02T06:00:00Z",
        source="oms",
        event_id="e1",
    )


def test_only_what_its_order_has_heard_of_gets_another_id() -> None:
    raw = b'{"source":"oms","id":"e1","data":{"amount":1.50}}'
    assert under_new_id(raw, letter("wrong_type")) == raw
    renamed = under_new_id(raw, letter("order_unknown"))
    assert msgspec.json.decode(renamed)["id"] == "e1~2.17"
    assert b'{"amount":1.50}' in renamed  # and nothing else is touched
    mended = raw.replace(b"e1", b"e2")
    assert under_new_id(mended, letter("too_many_facts")) == mended
    for unreadable in (b"{", b"[]", b'{"id":1,"source":"oms"}', b"\xff"):
        assert under_new_id(unreadable, letter("order_unknown")) == unreadable


def test_an_event_in_binary_mode_is_one_object_again() -> None:
    headers = {"ce_id": b"e1", "ce_source": b"oms", "other": b"x"}
    assert msgspec.json.decode(structured(b'{"a":1}', headers)) == {
        "id": "e1",
        "source": "oms",
        "data": {"a": 1},
    }
    assert structured(b'{"id":"e1"}', {"other": b"x"}) == b'{"id":"e1"}'
