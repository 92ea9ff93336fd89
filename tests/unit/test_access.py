"""Keys, scopes and limits by themselves."""

from __future__ import annotations

import msgspec
import pytest

from springtide.app.access import keys, scopes
from springtide.app.access.limits import Limits
from springtide.codecs.access import Key, decode_key, encode

NOW_MS = 1_000_000


def made(**more):
    key_id, key_hash, text = keys.new_key()
    given = {
        "id": key_id,
        "name": "shop",
        "hash": key_hash,
        "scopes": ("atp:read",),
        "partner": "shop",
        "rate_per_s": 1.0,
        "burst": 2,
        "created_ms": 0,
    }
    return Key(**given | more), text


# --- keys ---


def test_a_key_is_known_by_its_hash_alone():
    key, text = made()
    kept = encode(key)
    shown = keys.parse(text)
    assert text.startswith(f"sk_{key.id}_")
    assert shown.secret.encode() not in kept
    assert keys.is_valid(shown, decode_key(kept), NOW_MS)


def test_each_key_is_another_one():
    assert len({made()[1] for _ in range(100)}) == 100


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"),
        lambda text: text + "A",
        lambda text: text[:-1],
        lambda text: text.replace("sk_", "sk-"),
        lambda text: text.upper(),
        lambda text: text + "\n",
        lambda text: "",
        lambda text: "sk_" + "0" * 16 + text[19:],
    ],
)
def test_what_is_not_quite_a_key_is_none(change):
    key, text = made()
    shown = keys.parse(change(text))
    known = key if shown is not None and shown.id == key.id else None
    assert shown is None or not keys.is_valid(shown, known, NOW_MS)


def test_a_key_is_good_until_it_expires_or_is_revoked():
    key, text = made(expires_ms=NOW_MS)
    shown = keys.parse(text)
    assert keys.is_valid(shown, key, NOW_MS - 1)
    assert not keys.is_valid(shown, key, NOW_MS)
    forever = msgspec.structs.replace(key, expires_ms=None)
    assert keys.is_valid(shown, forever, 1 << 50)
    assert not keys.is_valid(shown, msgspec.structs.replace(forever, revoked_ms=1), NOW_MS)


# --- scopes ---


def test_sets_stand_for_their_scopes():
    assert scopes.expanded(["*"]) == frozenset(scopes.SCOPES)
    assert scopes.expanded(["atp:read", "nonsense"]) == {"atp:read"}
    assert scopes.unknown(["atp:read", "reader", "nonsense"]) == ["nonsense"]


def test_reading_writes_nothing():
    for name in ("read", "reader"):
        assert not [scope for scope in scopes.expanded([name]) if scope.endswith(":write")]
    assert scopes.expanded(["reader"]) < scopes.expanded(["read"]) < scopes.expanded(["operator"])
    assert "promises:write" not in scopes.expanded(["operator"])


# --- limits ---


class Clock:
    def __init__(self, at_s=0.0):
        self.at_s = at_s

    def __call__(self):
        return self.at_s


def test_a_burst_passes_at_once_and_then_the_rate():
    clock = Clock()
    limits = Limits(clock=clock)
    assert [limits.take("k", 2.0, 3).passes for _ in range(4)] == [True, True, True, False]
    clock.at_s = 0.49
    assert not limits.take("k", 2.0, 3).passes
    clock.at_s = 0.51
    assert limits.take("k", 2.0, 3).passes
    assert not limits.take("k", 2.0, 3).passes
    clock.at_s = 100.0  # no more than the burst has gathered
    assert [limits.take("k", 2.0, 3).passes for _ in range(4)] == [True, True, True, False]


def test_headers_say_what_is_left_and_when():
    limits = Limits(clock=Clock())
    first = limits.take("k", 2.0, 4)
    assert (first.policy, first.left) == ('"rate";q=4;w=2', '"rate";r=3;t=1')
    for _ in range(3):
        limits.take("k", 2.0, 4)
    refused = limits.take("k", 2.0, 4)
    assert (refused.left, refused.retry_after_s) == ('"rate";r=0;t=1', 1)


def test_one_bucket_says_nothing_of_another():
    limits = Limits(clock=Clock())
    assert limits.take("a", 1.0, 1).passes
    assert not limits.take("a", 1.0, 1).passes
    assert limits.take("b", 1.0, 1).passes


def test_a_quota_is_its_partners_and_begins_anew_each_day():
    wall = Clock(86_400.0 - 10)
    limits = Limits(clock=Clock(), wall=wall)
    assert limits.take("a", 1.0, 9, "P", 2).left == '"rate";r=8;t=1, "day";r=1;t=10'
    assert limits.take("b", 1.0, 9, "P", 2).passes
    refused = limits.take("a", 1.0, 9, "P", 2)
    assert (refused.passes, refused.left, refused.retry_after_s) == (False, '"day";r=0;t=10', 10)
    assert limits.take("c", 1.0, 9, "Q", 2).passes
    wall.at_s = 86_400.0
    assert limits.take("a", 1.0, 9, "P", 2).passes


def test_what_other_views_let_through_counts():
    limits = Limits(lambda partner, _: 2 if partner == "P" else 0, clock=Clock(), wall=Clock())
    assert limits.take("a", 1.0, 9, "P", 3).passes
    assert not limits.take("a", 1.0, 9, "P", 3).passes


def test_a_refused_request_takes_nothing_of_the_quota():
    limits = Limits(clock=Clock(), wall=Clock())
    limits.take("a", 1.0, 1, "P", 10)
    assert not limits.take("a", 1.0, 1, "P", 10).passes
    assert limits.used["P"] == (0, 1)


def test_buckets_have_a_bound(monkeypatch):
    monkeypatch.setattr("springtide.app.access.limits.BUCKETS_MAX", 2)
    limits = Limits(clock=Clock())
    for name in ("a", "b", "c"):
        limits.take(name, 1.0, 1)
    assert limits.take("a", 1.0, 1).passes  # the longest unused was forgotten
    assert not limits.take("c", 1.0, 1).passes
