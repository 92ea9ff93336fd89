"""What is refused of events of the newer topics: subjects that say otherwise, days, time zones and weekdays."""

from __future__ import annotations

import json
from typing import Any

import pytest

from springtide.codecs.cloudevents import Event, Refused, decode
from springtide.codecs.facts import FACT_BY_NAME

PLACE = {"location": "BER", "name": "Berlin", "rank": 1, "timezone": "Europe/Berlin"}
PRODUCT = {"sku": "tea", "name": "Tea", "uom": "EA"}
PRICE = {"sku": "tea", "list": "retail", "amount": "1.00", "currency": "EUR", "valid_from": "2026-03-01"}


def event(name: str, subject: str, data: dict[str, Any]) -> Event:
    fact = FACT_BY_NAME[name]
    told = {
        "specversion": "1.0",
        "id": "e1",
        "source": fact.sources[0],
        "type": f"springtide.{name}.v1",
        "subject": subject,
        "time": "2026-03-02T06:00:00Z",
        "data": data,
    }
    return decode(fact.topic, subject.encode(), json.dumps(told).encode(), {})


@pytest.mark.parametrize(
    ("name", "subject", "data", "code", "field"),
    [
        ("location.upserted", "HAM", PLACE, "key_mismatch", "data.location"),
        ("product.upserted", "mug", PRODUCT, "key_mismatch", "data.sku"),
        ("price.set", "mug", PRICE, "key_mismatch", "data.sku"),
        ("policy.set", "tea", {"scope": "*"}, "key_mismatch", "data.scope"),
        ("customer.upserted", "c2", {"customer_id": "c1", "name": "A"}, "key_mismatch", "data.customer_id"),
        ("location.upserted", "BER", PLACE | {"timezone": "Berlin"}, "out_of_range", "data.timezone"),
        ("location.upserted", "BER", PLACE | {"timezone": "../etc"}, "out_of_range", "data.timezone"),
        ("location.upserted", "BER", PLACE | {"working_days": []}, "out_of_range", "data.working_days"),
        ("location.upserted", "BER", PLACE | {"working_days": [1, 8]}, "out_of_range", "data.working_days[1]"),
        ("location.upserted", "BER", PLACE | {"working_days": ["Noday"]}, "out_of_range", "data.working_days[0]"),
        ("location.upserted", "BER", PLACE | {"cutoff": "25:00"}, "out_of_range", "data.cutoff"),
        ("price.set", "tea", PRICE | {"valid_to": "2026-02-30"}, "out_of_range", "data.valid_to"),
        (
            "product.upserted",
            "tea",
            PRODUCT | {"superseded_by": {"sku": "mug", "valid_from": "2026-13-01"}},
            "out_of_range",
            "data.superseded_by.valid_from",
        ),
        (
            "product.upserted",
            "tea",
            PRODUCT | {"substitutes": [{"sku": "mug", "valid_from": "2026-00-01"}]},
            "out_of_range",
            "data.substitutes[0].valid_from",
        ),
        ("credit.limit_set", "c1", {"limit": "1e3", "currency": "EUR"}, "out_of_range", "data.limit"),
        ("invoice.reversed", "o1", {}, "missing_field", "data.invoice_id"),
    ],
)  # fmt: skip
def test_what_is_refused_names_its_field(
    name: str, subject: str, data: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(Refused) as refused:
        event(name, subject, data)
    assert (refused.value.code, refused.value.field) == (code, field)


@pytest.mark.parametrize(
    "working_days", [[1, 2, 3, 4, 5], ["Mon", "tuesday", "WED"], ["1", "7"], None], ids=str
)
def test_weekdays_by_number_or_name(working_days: Any) -> None:
    told = event("location.upserted", "BER", PLACE | {"working_days": working_days})
    assert told.envelope.subject == "BER"
