"""The running API against what it says of itself: every call, by Schemathesis, over a sample trade.

`just schemathesis` asks for longer. What is expected beyond the defaults, and why, stands in `schemathesis.toml`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import Running

from springtide.app.access.keys import new_key
from springtide.app.access.registry import Keeper
from springtide.app.settings import Settings
from springtide.app.trade.load import load
from springtide.app.trade.spec import TradeSpec
from springtide.app.up.stack import Stack
from springtide.app.view.contract.calls import CALLS
from springtide.codecs.access import Key

CONFIG = Path(__file__).with_name("schemathesis.toml")
COMMAND = Path(sys.executable).with_name("schemathesis")
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "5"))
"""Generated for each call, beside those that cover its types."""
PHASES = os.environ.get("SCHEMATHESIS_PHASES", "examples,coverage,fuzzing")
TAKES_S_MAX = 1_200 if EXAMPLES <= 5 else 7_200


async def fill(stack):
    """A sample trade, and a key for everything that no limit holds back."""
    key_id, key_hash, shown = new_key()
    keeper = Keeper(stack.connection)
    limits = {"rate_per_s": 1_000_000.0, "burst": 1_000_000}
    named = {"id": key_id, "hash": key_hash, "name": "contract", "partner": "contract", "created_ms": 0}
    await keeper.keep(Key(**named, **limits, scopes=("*",)))
    await keeper.close()
    await load(stack.connection, TradeSpec(seed=1, skus=20, customers=20, orders=40))
    return shown


@pytest.fixture(scope="module")
def traded(tmp_path_factory):
    """(what runs, a key): broker, worker and view as processes, with the sample trade applied."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("contract"),
        port=0,
        ingress_partitions=2,
        inbox_partitions=2,
        broker_heap_mb=256,
    )
    with Stack(settings, 1, 1) as stack:
        stack.wait_until_ready()
        key = asyncio.run(fill(stack))
        running = Running(stack, {"Authorization": f"Bearer {key}"})
        running.until("/v1/orders?limit=5", lambda body: len(body["orders"]) == 5, "the trade is there")
        running.until("/v1/orders/SO1-000001", lambda body: body["lines"], "its first order is there")
        yield running, key


def schemathesis(document, key, folder, *more):
    """(exit status, what it printed)."""
    asked = [
        *(str(COMMAND), "--config-file", str(CONFIG), "run", str(document), "--no-color", *more),
        *("--generation-deterministic", "--continue-on-failure"),
        # As from another machine: on the view's own the metrics need no key.
        *("-H", f"Authorization: Bearer {key}", "-H", "X-Forwarded-For: 192.0.2.1"),
    ]
    done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, timeout=TAKES_S_MAX, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which(str(COMMAND)) is None, reason="schemathesis is not installed")
class TestContract:
    def test_schemathesis_finds_nothing(self, traded, tmp_path):
        running, key = traded
        document = running.url + "/openapi.json"
        more = ("--phases", PHASES, "--max-examples", str(EXAMPLES))
        status, printed = schemathesis(document, key, tmp_path, *more)
        assert status == 0, printed[-20_000:]
        assert f"{len(CALLS)} selected / {len(CALLS)} total" in printed
        tried = re.search(r"(\d+) generated", printed)
        assert tried is not None, printed
        assert int(tried[1]) > 1_000

    def test_an_answer_that_is_not_as_described_is_found(self, traded, tmp_path):
        running, key = traded
        _, document = running.get("/openapi.json")
        alive = document["components"]["schemas"]["Alive"]
        alive["properties"]["status"] = {"type": "integer"}
        told = tmp_path / "openapi.json"
        told.write_text(json.dumps(document))
        more = ("--url", running.url, "--include-path", "/livez", "--max-examples", "2")
        status, printed = schemathesis(told, key, tmp_path, *more)
        assert status == 1, printed
        assert "status" in printed
