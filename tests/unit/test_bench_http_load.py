"""The HTTP load client: its wire format, its histogram, its pacing, and what it charges a server for."""

import asyncio
import contextlib
import time

import pytest

pytest.importorskip("hdrh", reason="hdrhistogram comes with the dependency group bench")

from benchmarks import http_load
from benchmarks.http_load import Schedule, closed, open_rate
from benchmarks.http_wire import BadReplyError, Reply, parse_head
from benchmarks.latencies import MAX_US, Latencies

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"


class TestHead:
    def test_it_gives_status_and_lengths(self):
        assert parse_head(OK) == Reply(200, len(OK) - 2, 2, close=False)

    def test_names_and_values_in_any_case(self):
        head = b"HTTP/1.1 404 Not Found\r\nCONTENT-LENGTH:  12 \r\nConnection: Close\r\n\r\n"
        assert parse_head(head) == Reply(404, len(head), 12, close=True)

    def test_an_incomplete_head_is_waited_for(self):
        assert parse_head(OK[:-4]) is None

    def test_a_304_has_no_body_whatever_it_says(self):
        head = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"
        assert parse_head(head) == Reply(304, len(head), 0, close=False)

    @pytest.mark.parametrize(
        "data",
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-Content-Length: 5\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
            b"x" * 40_000,
        ],
    )
    def test_what_cannot_be_counted_is_refused(self, data):
        with pytest.raises(BadReplyError):
            parse_head(data)


class TestLatencies:
    def test_percentiles_of_one_to_a_hundred_ms(self):
        latencies = Latencies()
        latencies.record_all(n / 1000 for n in range(1, 101))
        assert latencies.count == 100
        assert latencies.percentile_ms(50) == pytest.approx(50, rel=0.002)
        assert latencies.percentile_ms(99) == pytest.approx(99, rel=0.002)
        assert latencies.max_ms == pytest.approx(100, rel=0.002)

    def test_reading_does_not_end_recording(self):
        latencies = Latencies()
        latencies.record(0.001)
        assert latencies.percentile_ms(50) == pytest.approx(1, rel=0.002)
        latencies.record_all([0.003, 0.003])
        assert latencies.percentile_ms(50) == pytest.approx(3, rel=0.002)
        assert latencies.count == 3

    def test_more_different_values_than_the_buffer_holds(self):
        latencies = Latencies()
        latencies.record_all(n / 1e6 for n in range(1, 70_001))
        assert latencies.count == 70_000
        assert latencies.percentile_ms(50) == pytest.approx(35, rel=0.002)

    def test_longer_than_a_minute_and_shorter_than_a_microsecond_still_count(self):
        latencies = Latencies()
        latencies.record_all([3600.0, 0.0])
        assert latencies.count == 2
        assert latencies.max_ms == pytest.approx(MAX_US / 1000, rel=0.002)

    def test_none_are_zero(self):
        assert (Latencies().percentile_ms(99), Latencies().max_ms, Latencies().count) == (0, 0, 0)


class TestSchedule:
    def test_requests_are_due_at_even_steps_however_late_they_are_taken(self):
        # 4 a second from second 10 on: 10.0, 10.25, 10.5, 10.75
        schedule = Schedule(10.0, 4.0, 4)
        assert schedule.take(9.9) is None
        assert schedule.take(10.0) == 10.0
        assert schedule.take(10.1) is None
        assert list(schedule.all_due(60.0)) == [10.25, 10.5, 10.75]
        assert schedule.done

    def test_no_more_than_wanted(self):
        schedule = Schedule(0.0, 1000.0, 3)
        assert len(list(schedule.all_due(100.0))) == 3
        assert schedule.take(1000.0) is None

    def test_a_rate_of_nothing_is_refused(self):
        with pytest.raises(ValueError, match="above 0"):
            Schedule(0.0, 0.0, 1)


NEVER = float("inf")


class Answering(asyncio.Protocol):
    """Answers each request by what `answer(number)` gives: (pieces of bytes, seconds to wait), None to hang up."""

    def __init__(self, answer, heads, open_now):
        self._answer, self._heads, self._open = answer, heads, open_now
        self._later = None

    def connection_made(self, transport):
        self._transport = transport
        self._open.add(transport)

    def data_received(self, data):
        assert data.endswith(b"\r\n\r\n"), "the client sends whole requests, one at a time"
        self._heads.append(data)
        given = self._answer(len(self._heads))
        if given is None:
            self._transport.close()
        elif given[1] != NEVER:
            self._later = asyncio.get_running_loop().call_later(given[1], self._write, list(given[0]))

    def _write(self, pieces):
        self._transport.write(pieces.pop(0))
        if pieces:
            self._later = asyncio.get_running_loop().call_later(0.001, self._write, pieces)

    def connection_lost(self, _error):
        self._open.discard(self._transport)
        if self._later is not None:
            self._later.cancel()


@contextlib.asynccontextmanager
async def server(answer, heads=None):
    """A server on loopback; gives its port. `heads` gets each request."""
    heads = [] if heads is None else heads
    open_now = set()
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Answering(answer, heads, open_now), "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        for transport in open_now:
            transport.abort()
        async with asyncio.timeout(5):
            while open_now:  # noqa: ASYNC110 - a few turns of the loop at most
                await asyncio.sleep(0)


def at_once(*pieces):
    return pieces or (OK,), 0.0


async def test_closed_asks_for_the_paths_in_turn_on_connections_kept_open():
    heads = []
    async with server(lambda _n: at_once(), heads) as port:
        result = await closed("127.0.0.1", port, [b"/a", b"/b"], 2, 0.2, warmup_s=0.0)
    assert result.model == "closed"
    assert result.errors == 0
    assert result.statuses == {200: result.answers}
    assert result.rps == pytest.approx(result.answers / result.seconds)
    assert [head.split()[1] for head in heads[:4]] == [b"/a", b"/b", b"/a", b"/b"]
    assert heads[0].startswith(b"GET /a HTTP/1.1\r\nHost: 127.0.0.1:")


async def test_other_answers_than_2xx_and_304_are_errors():
    bad = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
    async with server(lambda n: at_once(bad) if n % 2 else at_once()) as port:
        result = await closed("127.0.0.1", port, [b"/"], 1, 0.1, warmup_s=0.0)
    assert result.errors == result.statuses[503] > 0
    assert result.rps * result.seconds == pytest.approx(result.statuses[200])


async def test_an_answer_may_come_in_pieces():
    async with server(lambda _n: at_once(OK[:10], OK[10:-1], OK[-1:])) as port:
        result = await closed("127.0.0.1", port, [b"/"], 1, 0.1, warmup_s=0.0)
    assert result.errors == 0
    assert result.answers > 0


async def test_a_lost_connection_is_an_error_and_is_opened_again():
    async with server(lambda n: None if n == 3 else at_once()) as port:
        result = await closed("127.0.0.1", port, [b"/"], 1, 0.2, warmup_s=0.0)
    assert result.errors == 1
    assert result.answers > 3


async def test_a_server_that_loses_every_connection_gives_no_figure(monkeypatch):
    monkeypatch.setattr(http_load, "_REOPENS_MAX", 20)
    async with server(lambda _n: None) as port:
        with pytest.raises(ConnectionError, match="lost 20 connections"):
            await closed("127.0.0.1", port, [b"/"], 4, 5.0, warmup_s=0.0)


async def test_no_server_is_said_plainly():
    async with server(lambda _n: at_once()) as port:
        pass
    with pytest.raises(ConnectionError, match=f"127.0.0.1:{port}.*Start the server"):
        await closed("127.0.0.1", port, [b"/"], 1, 1.0)


async def test_an_open_load_sends_what_is_due_and_no_more():
    heads = []
    async with server(lambda _n: at_once(), heads) as port:
        result = await open_rate("127.0.0.1", port, [b"/"], 200, 0.5, connections=4, warmup_s=0.1)
    # 0.6 s at 200/s are 120, of which the first 20 are not counted
    assert len(heads) == 120
    assert (result.answers, result.errors, result.unanswered) == (100, 0, 0)
    assert result.due_rps == 200


async def test_a_stall_is_charged_to_all_who_were_due_in_it():
    # given one connection at 100/s whose first answer takes 0.5 s: 50 more come due meanwhile
    async with server(lambda n: ([OK], 0.5) if n == 1 else at_once()) as port:
        result = await open_rate("127.0.0.1", port, [b"/"], 100, 1.0, connections=1, warmup_s=0.0)
    # then half of the 100 waited, evenly from 0 to 0.5 s: a quarter longer than 0.25 s. Counted from when each
    # was sent, only one would have been slow, and p99 a few ms.
    assert result.answers == 100
    assert result.max_ms >= 490
    assert result.p99_ms > 450


async def test_those_never_answered_count_with_the_time_they_waited():
    # given a server that answers the first five and then none on its one connection
    async with server(lambda n: at_once() if n <= 5 else ([OK], NEVER)) as port:
        began = time.monotonic()
        result = await open_rate("127.0.0.1", port, [b"/"], 50, 0.4, connections=1, warmup_s=0.0, drain_s=0.2)
    # then 15 of 20 are errors, and the load has ended by itself
    assert (result.answers, result.errors, result.unanswered) == (5, 15, 15)
    assert result.max_ms >= 250
    assert time.monotonic() - began < 5


def test_a_post_says_how_long_its_body_is():
    head, _, body = http_load.post("127.0.0.1", 8080, b"/v1/atp:batch", b'{"items":[]}').partition(
        b"\r\n\r\n"
    )
    assert body == b'{"items":[]}'
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /v1/atp:batch HTTP/1.1"
    assert b"Content-Length: 12" in lines
    assert b"Content-Type: application/json" in lines
