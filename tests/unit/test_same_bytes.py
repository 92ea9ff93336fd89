"""The same facts give the same bytes in every process, whatever seed Python hashes strings with."""

import os
import subprocess
import sys
from pathlib import Path

from domain import SkuStage, want

from springtide.codecs import facts as f

LOCATIONS = tuple("ABCDEFGH")
TESTS = Path(__file__).parents[1]


def story():
    """An order that ships from places no stock fact has named, then has one shipment voided."""
    tea = SkuStage()
    everywhere = dict.fromkeys(LOCATIONS, 2)
    tea.demand(
        "o1",
        want("1", 20, released=everywhere, shipped=everywhere),
        shipments=tuple((f"s{at}", at, 2) for at in LOCATIONS),
    )
    without_a = {at: 2 for at in LOCATIONS if at != "A"} | {"Z": 1, "Y": 1, "X": 1}
    tea.demand(
        "o1",
        want("1", 20, released=without_a, shipped=without_a),
        shipments=tuple((f"s{at}", at, units) for at, units in without_a.items()),
    )
    tea.fact(f.HoldPlaced(hold_id="h1", qty=1, ttl_s=60, owner="cart"))
    for at in LOCATIONS:
        tea.fact(f.InventoryReceived(location=at, qty=9))
    tea.demand("o1", want("1", 15))
    return sorted((key, raw) for key, (_, raw) in tea.rows.raw.items())


def test_bytes_do_not_depend_on_the_hash_seed():
    code = "from test_same_bytes import story; import hashlib; print(hashlib.sha256(repr(story()).encode()).hexdigest())"
    path = os.pathsep.join([str(TESTS), str(TESTS / "unit"), *sys.path])
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2", "3")
    }
    assert len(digests) == 1
