"""Bearer tokens against an issuer that publishes its keys over loopback."""

from __future__ import annotations

import base64
import json
import time
from contextlib import asynccontextmanager

import pytest
from issuer import Issuer

from springtide.app.access import tokens as tokens_module
from springtide.app.access.caller import Bound
from springtide.app.access.tokens import KeysUnavailable, Refused, Tokens
from springtide.app.settings import Settings


@pytest.fixture(scope="module")
def issuer():
    return Issuer()


class Clock:
    at_s = 0.0

    def __call__(self):
        return self.at_s


@asynccontextmanager
async def taking(issuer, clock=None, **given):
    """What checks tokens of the issuer; the clock stands still unless it is moved."""
    issuer.asked, issuer.answers, issuer.published = 0, 200, ["rsa-1", "ec-1", "ed-1"]
    async with issuer.open():
        tokens = Tokens(Settings(**issuer.settings(), **given), clock or Clock())
        try:
            yield tokens
        finally:
            await tokens.close()


@pytest.mark.parametrize("kid", ["rsa-1", "ec-1", "ed-1"])
async def test_a_token_tells_who_bears_it_and_what_it_allows(issuer, kid):
    async with taking(issuer, oauth_rate_per_s=7, oauth_burst=9) as tokens:
        caller = await tokens.caller(issuer.token(kid, scope="atp:read orders:read root", client_id="portal"))
        assert caller.scopes == {"atp:read", "orders:read"}
        assert (caller.partner, caller.rate_per_s, caller.burst) == ("portal", 7, 9)
        assert not caller.bound


async def test_scopes_may_be_a_list_and_the_subject_stands_in_for_the_client(issuer):
    async with taking(issuer) as tokens:
        caller = await tokens.caller(issuer.token(scope=None, scp=["reader"]))
        assert "orders:read" in caller.scopes
        assert caller.partner == "service-7"


async def test_a_token_may_be_kept_to_customers_and_never_to_none_by_mistake(issuer):
    async with taking(issuer) as tokens:
        caller = await tokens.caller(issuer.token(customers=["C-1", "C-2"], channels="web"))
        assert caller.bound == Bound(("C-1", "C-2"), ("web",))
        for odd in ([], {}, 7):
            assert not (await tokens.caller(issuer.token(customers=odd))).bound.sees("C-1", "web")


def unsigned(claims):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none', 'kid': 'rsa-1'})}.{part(claims)}."


REFUSED = {
    "expired": lambda issuer: issuer.token(exp=int(time.time()) - 60),
    "without an end": lambda issuer: issuer.token(exp=None),
    "not good yet": lambda issuer: issuer.token(nbf=int(time.time()) + 300),
    "of another issuer": lambda issuer: issuer.token(iss="https://other.example/"),
    "for another audience": lambda issuer: issuer.token(aud="payroll"),
    "without audience": lambda issuer: issuer.token(aud=None),
    "of nobody": lambda issuer: issuer.token(sub=None),
    "signed by another's key": lambda issuer: issuer.token(key=Issuer().keys["rsa-1"][0]),
    "by a key that is not published": lambda issuer: issuer.token(headers={"kid": "rsa-9"}),
    "by no named key": lambda issuer: issuer.token(headers={"kid": None}),
    "by a shared secret": lambda issuer: issuer.token(algorithm="HS256", key="0" * 64),
    "by a weaker algorithm": lambda issuer: issuer.token(algorithm="PS256"),
    "by a key of another kind": lambda issuer: issuer.token("ec-1", headers={"kid": "rsa-1"}),
    "not signed at all": lambda _: unsigned({"sub": "root", "scope": "*", "exp": 1 << 40}),
    "no token": lambda _: "hello",
    "too long": lambda _: "a." * 5_000,
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_token_is_refused_that_is(issuer, what):
    async with taking(issuer) as tokens:
        with pytest.raises(Refused):
            await tokens.caller(REFUSED[what](issuer))


async def test_a_changed_token_is_refused_though_it_was_good_before(issuer):
    async with taking(issuer) as tokens:
        token = issuer.token()
        await tokens.caller(token)
        head, body, signature = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        more = base64.urlsafe_b64encode(json.dumps(claims | {"scope": "*"}).encode()).rstrip(b"=").decode()
        with pytest.raises(Refused, match="signature"):
            await tokens.caller(f"{head}.{more}.{signature}")


async def test_keys_are_asked_for_once_and_again_for_one_that_is_new(issuer):
    clock = Clock()
    async with taking(issuer, clock) as tokens:
        issuer.published = ["rsa-1"]
        for number in range(5):
            await tokens.caller(issuer.token(jti=str(number)))
        assert issuer.asked == 1
        issuer.published = ["rsa-1", "ec-1"]
        with pytest.raises(Refused):  # not so soon: nobody can have the issuer asked all the time
            await tokens.caller(issuer.token("ec-1"))
        assert issuer.asked == 1
        clock.at_s = tokens_module.MISS_S
        await tokens.caller(issuer.token("ec-1"))
        assert issuer.asked == 2


async def test_a_key_that_is_published_no_more_makes_no_token_good(issuer):
    clock = Clock()
    async with taking(issuer, clock) as tokens:
        token = issuer.token()
        await tokens.caller(token)
        issuer.published = ["ec-1"]
        clock.at_s = tokens_module.REFRESH_S
        with pytest.raises(Refused):
            await tokens.caller(token)


async def test_an_issuer_that_does_not_answer_is_not_needed_for_a_while(issuer):
    clock = Clock()
    async with taking(issuer, clock) as tokens:
        await tokens.caller(issuer.token())
        issuer.answers = 500
        clock.at_s = tokens_module.REFRESH_S
        await tokens.caller(issuer.token(jti="2"))
        clock.at_s = tokens_module.STALE_S + 1
        with pytest.raises(KeysUnavailable):
            await tokens.caller(issuer.token(jti="3"))


async def test_an_issuer_that_never_answered_leaves_it_open(issuer):
    async with taking(issuer) as tokens:
        issuer.answers = 302
        with pytest.raises(KeysUnavailable):
            await tokens.caller(issuer.token())


async def test_a_known_token_ends_with_its_time(issuer):
    wall = Clock()
    wall.at_s = time.time()
    async with taking(issuer) as tokens:
        tokens._wall = wall
        token = issuer.token(exp=int(wall.at_s) + 300)
        known = await tokens.caller(token)
        assert await tokens.caller(token) is known
        wall.at_s = known.expires_ms / 1_000
        assert (
            await tokens.caller(token) is not known
        )  # read anew, which is where it is found to have expired
