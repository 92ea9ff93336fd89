"""Push without a network: signatures, addresses, pace, what an answer means, what a filter wants."""

from __future__ import annotations

import asyncio

import pytest

from springtide.agents.topics import SUBSCRIPTIONS
from springtide.app.engine.memory_log import MemoryLog
from springtide.app.push.address import Forbidden, Guarded, is_inside, refusal
from springtide.app.push.cursor import matches
from springtide.app.push.delivery import Meaning, meaning
from springtide.app.push.pace import OPEN_AFTER, RETRY_MOST_S, Breaker, Bucket, retry_s
from springtide.app.push.registry import Registry
from springtide.app.push.signing import key_of, new_secret, signatures
from springtide.codecs.letters import StatusChange
from springtide.codecs.subscriptions import Filter, Replay, Secret, encode, replay_key


def test_a_signature_is_that_of_the_published_example() -> None:
    # The example of the Standard Webhooks reference libraries.
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    assert (
        signatures((secret,), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, 0)
        == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    )


def test_a_secret_that_was_rotated_out_signs_until_it_ends() -> None:
    new, old = Secret(new_secret()), Secret(new_secret(), ends_ms=1_000)
    assert len(signatures((new, old), "m", 1, b"", now_ms=999).split()) == 2
    assert signatures((new, old), "m", 1, b"", now_ms=1_000) == signatures((new,), "m", 1, b"", 0)


@pytest.mark.parametrize("secret", ["abc", "whsec_!!!", "whsec_c2hvcnQ="])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match=r"secret|base64|padding|characters"):
        key_of(secret)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.9",
        "169.254.169.254",
        "::1",
        "fe80::1%eth0",
        "::ffff:10.0.0.1",
        "0.0.0.0",
        "100.64.0.1",
        "224.0.0.1",
        "fd00::1",
    ],
)
def test_an_address_inside(address: str) -> None:
    assert is_inside(address)


def test_an_address_outside() -> None:
    assert not is_inside("93.184.216.34")
    assert not is_inside("2606:2800:220:1:248:1893:25c8:1946")


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://localhost/x",
        "https://user:pass@example.com/",
        "https://example.com/#here",
        "ftp://example.com/",
        "https://a:99999/",
    ],
)
def test_a_url_that_no_receiver_may_have(url: str) -> None:
    assert refusal(url, allow_inside=False) is not None


def test_a_url_that_a_receiver_may_have() -> None:
    assert refusal("https://crm.example.com/hook?tenant=1", allow_inside=False) is None
    assert refusal("http://127.0.0.1:9000/", allow_inside=True) is None


async def test_a_name_that_leads_inside_is_not_asked() -> None:
    with pytest.raises(Forbidden):
        await Guarded(allow_inside=False).resolve("localhost", 443)
    found = await Guarded(allow_inside=True).resolve("localhost", 443)
    assert found[0]["port"] == 443


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_lets_through_what_its_rate_allows() -> None:
    clock = Clock()
    bucket = Bucket(10, clock)
    assert [bucket.wait_s() for _ in range(10)] == [0.0] * 10
    assert [round(bucket.wait_s(), 3) for _ in range(3)] == [0.1, 0.2, 0.3]
    clock.now += 1.5  # those three, and twelve more, of which ten are kept
    assert [bucket.wait_s() for _ in range(10)] == [0.0] * 10
    assert bucket.wait_s() > 0


async def test_a_circuit_opens_after_failures_lets_one_try_and_closes_by_its_success() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(OPEN_AFTER):
        await breaker.pass_through()
        breaker.failed()
    assert breaker.is_open
    waiting = [asyncio.create_task(breaker.pass_through()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    clock.now += 60
    breaker.let_go()  # wakes those who wait
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=5)
    assert sum(task.done() for task in waiting) == 1
    breaker.succeeded()
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert not breaker.is_open


async def test_a_probe_that_fails_opens_the_circuit_anew_whatever_it_was_opened_by() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    breaker.failed(retry_after_s=1.0)  # 429, at the first failure
    clock.now += 1
    await breaker.pass_through()
    breaker.failed()
    assert breaker.is_open
    clock.now += 60
    await asyncio.wait_for(breaker.pass_through(), 5)


def test_waits_between_attempts_grow_and_end() -> None:
    assert all(0.1 <= retry_s(1) <= 0.5 for _ in range(50))
    assert all(retry_s(40) <= RETRY_MOST_S for _ in range(50))
    assert min(retry_s(12) for _ in range(50)) > 100


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (200, Meaning.TAKEN),
        (204, Meaning.TAKEN),
        (301, Meaning.REFUSED),
        (400, Meaning.REFUSED),
        (401, Meaning.REFUSED),
        (408, Meaning.LATER),
        (410, Meaning.ENDED),
        (429, Meaning.LATER),
        (500, Meaning.LATER),
        (503, Meaning.LATER),
    ],
)
def test_what_an_answer_means(status: int, found: Meaning) -> None:
    assert meaning(status).meaning is found


def test_a_receiver_that_says_when_is_believed() -> None:
    assert meaning(429, "17").retry_after_s == 17
    assert meaning(500, "17").retry_after_s is None
    assert meaning(503, "Wed, 21 Oct 2026 07:28:00 GMT").retry_after_s is None


def test_a_filter_wants_what_is_in_each_of_its_lists() -> None:
    change = StatusChange(
        order_id="O",
        version=1,
        status="SHIPPED",
        previous=None,
        milestones=(),
        at="",
        event_id="",
        channel="web",
        region="north",
    )
    assert matches(Filter(), change)
    assert matches(Filter(status=("SHIPPED", "DELIVERED"), channel=("web",)), change)
    assert not matches(Filter(status=("SHIPPED",), channel=("b2b",)), change)
    assert not matches(Filter(customer_class=("gold",)), change)


async def test_of_each_subscription_the_last_replays_are_known_and_no_more() -> None:
    async def others_too(_: str) -> None:
        await asyncio.sleep(0)

    log = MemoryLog({SUBSCRIPTIONS: 1}, checkpoint=others_too)
    for n in range(60):
        replay = Replay(id=f"r{n:02}", subscription="busy", order_id="O", asked_ms=n)
        log.put(SUBSCRIPTIONS, 0, replay_key(replay), encode(replay))
    other = Replay(id="other", subscription="calm", order_id="O", asked_ms=0)
    log.put(SUBSCRIPTIONS, 0, replay_key(other), encode(other))
    registry = Registry(log)
    following = asyncio.create_task(registry.run())
    await asyncio.wait_for(registry.loaded.wait(), 5)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    assert list(registry.replays) == [*(f"r{n:02}" for n in range(10, 60)), "other"]
