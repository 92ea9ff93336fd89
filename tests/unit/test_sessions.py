"""Sessions: a cookie that is good for as long as its key is, and for nobody else."""

from __future__ import annotations

import msgspec
import pytest

from springtide.app.access import session
from springtide.app.access.keys import new_key
from springtide.app.view.web.guard import local_path
from springtide.codecs.access import Key

NOW_S = 1_800_000_000


def a_key(**given):
    key_id, key_hash, _ = new_key()
    known = {
        "id": key_id,
        "name": "desk",
        "hash": key_hash,
        "scopes": ("operator",),
        "partner": "desk",
        "rate_per_s": 50.0,
        "burst": 100,
        "created_ms": 0,
    }
    return Key(**(known | given))


def is_good(cookie, key, at_s=NOW_S):
    opened = session.read(cookie)
    return opened is not None and session.is_valid(opened, key, at_s * 1_000)


def test_it_is_its_keys_and_lasts_twelve_hours():
    key = a_key()
    cookie = session.of_key(key, NOW_S)
    assert session.read(cookie).key_id == key.id
    assert is_good(cookie, key)
    assert is_good(cookie, key, NOW_S + 12 * 3_600 - 1)
    assert not is_good(cookie, key, NOW_S + 12 * 3_600)


def test_it_ends_with_its_key():
    key = a_key()
    cookie = session.of_key(key, NOW_S)
    assert not is_good(cookie, None)
    assert not is_good(cookie, msgspec.structs.replace(key, revoked_ms=1))
    assert not is_good(cookie, msgspec.structs.replace(key, expires_ms=NOW_S * 1_000))
    assert is_good(cookie, msgspec.structs.replace(key, expires_ms=NOW_S * 1_000 + 1))


def test_nobody_makes_one_of_a_key_that_is_not_theirs():
    key, other = a_key(), a_key()
    kind, key_id, expires, signature = session.of_key(key, NOW_S).split(".")
    assert not is_good(f"{kind}.{key_id}.{int(expires) + 60}.{signature}", key)
    assert not is_good(f"{kind}.{other.id}.{expires}.{signature}", other)
    assert not is_good(f"{kind}.{key_id}.{expires}.{signature[:-1]}", key)
    assert not is_good(f"{kind}.{key_id}.{expires}.", key)
    assert not is_good(f"{kind}.{key_id}.{expires}.\u00e9", key)


def test_who_has_the_key_can_make_none_that_lasts_longer():
    key = a_key()
    assert not is_good(session.of_key(key, NOW_S + 3_600), key, NOW_S)


@pytest.mark.parametrize(
    "cookie", ["", "k", "k.", "k.a.b.c", "k.a.1", "k.a.1.b.c", "t", "t.", "x.a.1.b", "k.a.\u0663.b"]
)
def test_what_is_no_session_is_none(cookie):
    assert session.read(cookie) is None


def test_a_tokens_session_is_the_token():
    assert session.read(session.of_token("e30.e30.sig")).token == "e30.e30.sig"


def test_a_forms_token_is_of_one_cookie_and_does_not_tell_it():
    cookie, other = (session.of_key(a_key(), NOW_S) for _ in range(2))
    assert session.form_token(cookie) == session.form_token(cookie)
    assert session.form_token(cookie) != session.form_token(other)
    assert not set(cookie.split(".")) & {session.form_token(cookie)}


@pytest.mark.parametrize(
    "wanted",
    [
        *(
            None,
            "",
            "orders",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example/",
            "/\t/evil.example",
        ),
        *("/a\nSet-Cookie: x=1", "/\u00e9", "javascript:alert(1)", "/a\\b", "/" + "x" * 3_000),
    ],
)
def test_nobody_is_led_elsewhere(wanted):
    assert local_path(wanted) == "/"


@pytest.mark.parametrize(
    "wanted", ["/", "/orders?status=SHIPPED&at_risk=true", "/sku/a%2Fb", "/exceptions?open=x//y"]
)
def test_one_comes_back_to_where_one_was(wanted):
    assert local_path(wanted) == wanted
