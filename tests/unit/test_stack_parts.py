"""What a stack is made of, without any process: restarts, figures, settings for children, the claim on a folder."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from springtide.app.commands.up import opened
from springtide.app.settings import Settings, load
from springtide.app.up import examples
from springtide.app.up.child import Child, Deaths, environment_of
from springtide.app.up.demo import _after, _Told
from springtide.app.up.errors import StackError
from springtide.app.up.figures import Meter, quantile
from springtide.app.up.instance import Claim, Instance, WorkerPlace, find
from springtide.app.up.scrape import parse


def test_deaths_are_followed_by_longer_pauses_and_then_by_none():
    deaths = Deaths()
    assert [deaths.add(lived_s) for lived_s in (1.0, 0.1, 29.9, 5.0, 0.0)] == [0.0, 0.5, 1.0, 2.0, None]


def test_a_life_of_some_length_begins_the_count_anew():
    deaths = Deaths()
    assert [deaths.add(lived_s) for lived_s in (1.0, 1.0, 1.0, 1.0, 30.0, 1.0)] == [
        0.0,
        0.5,
        1.0,
        2.0,
        0.0,
        0.5,
    ]


@pytest.mark.parametrize(
    ("histogram", "q", "expected"),
    [
        ({}, 0.5, None),
        ({1.0: 0.0, float("inf"): 0.0}, 0.5, None),
        # Ten in the first bucket, taken as even: the fifth lies in its middle.
        ({1.0: 10.0, float("inf"): 10.0}, 0.5, 0.5),
        # Eight up to 1, two between 1 and 2: the ninth is half way.
        ({1.0: 8.0, 2.0: 10.0, float("inf"): 10.0}, 0.9, 1.5),
        ({1.0: 0.0, float("inf"): 3.0}, 0.99, 1.0),
    ],
)
def test_quantile(histogram, q, expected):
    assert quantile(histogram, q) == expected


def page(events, lag, *, steps=1, letters=0):
    return parse(
        f'springtide_events_total{{kind="sku"}} {events}\n'
        f'springtide_steps_total{{kind="sku"}} {steps}\n'
        f'springtide_lag_records{{kind="sku"}} {lag}\n'
        f'springtide_actors{{kind="sku",state="running"}} 2\n'
        f'springtide_dead_letters_total{{code="not_json"}} {letters}\n'
        "python_info 1\n"
    )


def test_meter_gives_rates_and_sums_over_workers():
    meter = Meter(["sku"])
    meter.update({"worker 0": page(100, 7, steps=10), "worker 1": page(0, 3)}, 10.0)
    figures = meter.update({"worker 0": page(300, 5, steps=14), "worker 1": page(50, 0, letters=2)}, 12.0)
    (sku,) = figures.kinds
    assert sku.events_per_s == (200 + 50) / 2
    assert sku.step_records == 250 / 4
    assert sku.lag_records == 5
    assert sku.running == 4
    assert sku.transaction_p50_ms is None
    assert figures.dead_letters == {"not_json": 2}


def test_meter_counts_on_when_a_worker_begins_anew():
    meter = Meter(["sku"])
    meter.update({"worker 0": page(1_000, 0)}, 0.0)
    figures = meter.update({"worker 0": page(30, 0)}, 1.0)
    assert figures.kinds[0].events_per_s == 30.0


def test_meter_takes_rates_over_the_last_five_seconds():
    meter = Meter(["sku"])
    for second in range(11):
        figures = meter.update({"worker 0": page(100 * second if second < 5 else 500, 0)}, float(second))
    assert figures.kinds[0].events_per_s == 0.0


def test_a_child_gets_every_setting_and_no_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPRINGTIDE_PORT", "1001")
    settings = load(
        port=1002, data_dir=Path("here"), sources={"urn:crm": "crm"}, authority={"order.placed": ("oms",)}
    )
    environment = environment_of(settings)
    assert environment["SPRINGTIDE_PORT"] == "1002"
    assert environment["SPRINGTIDE_DATA_DIR"] == str(tmp_path / "here")
    assert environment["SPRINGTIDE_STRICT_SOURCES"] == "false"
    assert "SPRINGTIDE_BROKER" not in environment
    assert environment["PATH"] == os.environ["PATH"]

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load() == settings.model_copy(update={"data_dir": tmp_path / "here"})


def test_a_childs_password_reaches_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    settings = load(
        broker="kafka.example:9093",
        security_protocol="SASL_SSL",
        sasl_mechanism="PLAIN",
        sasl_username="tide",
        sasl_password="salt",
    )
    assert environment_of(settings)["SPRINGTIDE_SASL_PASSWORD"] == "salt"


def test_last_words_are_for_people(tmp_path):
    log = tmp_path / "worker-0.log"
    log.write_text(
        "".join(json.dumps({"event": f"step {number}", "level": "info"}) + "\n" for number in range(20))
        + json.dumps(
            {
                "event": "process failed",
                "level": "error",
                "timestamp": "2026-03-02T06:00:00Z",
                "error": "boom",
                "exception": "Traceback (most recent call last):\n  File x\nValueError: boom",
            }
        )
        + "\n\nFatal Python error: Aborted\n"
    )
    words = Child("worker", 0, 0, log).last_words()
    assert len(words) == 8
    assert words[-2:] == ["error process failed error=boom ValueError: boom", "Fatal Python error: Aborted"]
    assert words[-3] == "info step 19"


def test_a_folder_has_one_owner_at_a_time(tmp_path):
    assert find(tmp_path) is None
    claim = Claim(tmp_path / "data")
    instance = Instance(os.getpid(), "127.0.0.1:9092", True, None, (WorkerPlace(0, 17, 20_001),))
    claim.publish(instance)
    assert find(tmp_path / "data") == instance
    assert json.loads((tmp_path / "data" / "up.json").read_text())["workers"] == [
        {"index": 0, "pid": 17, "metrics_port": 20_001}
    ]

    with pytest.raises(StackError, match=f"in use by process {os.getpid()}"):
        Claim(tmp_path / "data")

    claim.release()
    assert find(tmp_path / "data") is None
    Claim(tmp_path / "data").release()


def test_what_a_killed_run_left_behind_is_no_instance(tmp_path):
    claim = Claim(tmp_path)
    claim.publish(Instance(os.getpid(), "127.0.0.1:9092", True, None))
    os.close(claim.fd)  # as the kernel does with a killed process
    assert (tmp_path / "up.json").exists()
    assert find(tmp_path) is None


def test_the_next_demo_goes_on_where_the_last_one_ended():
    # 1,400 events are some 100 orders, at 60 an hour 2 hours (rounded up), and 72 hours of rest.
    before = _Told(seed=1, start="2026-03-02T06:00:00Z", events=1_400)
    spec = _after(before, now="2026-03-02T07:00:00Z")
    assert (spec.seed, spec.start, spec.opening) == (2, "2026-03-05T08:00:00Z", False)
    assert _after(before, now="2026-03-09T07:00:00Z").start == "2026-03-09T07:00:00Z"


def test_examples_say_what_to_put_in_when_nothing_is_there():
    assert examples.Examples().lines("http://127.0.0.1:8080") == [
        "open  http://127.0.0.1:8080/",
        "ask   curl http://127.0.0.1:8080/v1/atp/SKU",
        "      curl http://127.0.0.1:8080/v1/orders/ORDER",
        "      Access is open: whoever reaches this address may ask, without a key.",
        "      Nothing is in yet; `springtide load` writes a sample trade.",
    ]


def test_examples_say_what_is_not_guarded():
    told = examples.Examples("TEA", "O-1").lines("http://127.0.0.1:8080", push_inside=True)
    assert told[-2:] == [
        "      Access is open: whoever reaches this address may ask, without a key.",
        "      Webhooks may go to this machine and its network, and by plain http.",
    ]


def test_a_demo_is_open_on_this_machine_alone_and_only_where_nothing_else_is_set(monkeypatch):
    for name in ("ACCESS", "PUSH_ALLOW_INSIDE", "HOST"):
        monkeypatch.delenv(f"SPRINGTIDE_{name}", raising=False)
    here, elsewhere = opened(Settings()), opened(Settings(host="0.0.0.0"))
    assert (here.access, here.push_allow_inside) == ("open", True)
    assert (elsewhere.access, elsewhere.push_allow_inside) == ("keys", False)
    told = opened(Settings(access="keys", push_allow_inside=False))
    assert (told.access, told.push_allow_inside) == ("keys", False)


def test_examples_say_how_to_make_a_key_where_one_is_needed():
    told = examples.Examples("TEA", "O-1").lines("http://127.0.0.1:8080", with_key=True)
    assert told[0].startswith("key   springtide keys create")
    assert 'curl -H "Authorization: Bearer $KEY" http://127.0.0.1:8080/v1/atp/TEA' in told[2]
