"""A load of GET requests on one HTTP/1.1 server, over connections that are kept open.

Two models. `closed`: each of N connections asks again as soon as it is answered, which finds the top rate.
`open_rate`: requests are due at a fixed rate whatever the server does, and each latency counts from the moment
the request was due, so a server that stalls is charged for all who had to wait (no coordinated omission).

    python -m benchmarks.http_load 127.0.0.1:8080 /v1/atp/SKU-000001 --connections 64 --seconds 10
    python -m benchmarks.http_load 127.0.0.1:8080 /v1/atp/SKU-000001 --rate 5000
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import uvloop

from benchmarks.harness import BenchError
from benchmarks.http_wire import Connection, Reply
from benchmarks.latencies import Latencies

_TICK_S = 0.001
_CONNECT_TIMEOUT_S = 5.0
_REOPENS_MAX = 1000

BATCH: Final = 200
"""SKUs in one of `batches`."""
_BATCHES: Final = 50
_BATCHES_WARMUP_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Result:
    """What a load saw. Latencies are of all answers, good or bad, and of those that never came.

    `rps` counts answers of status 2xx or 304 a second; `errors` all other answers, broken connections and
    requests unanswered at the end. `client_cpu` is the share of one core this process used: near 1 the client
    was the limit. `due_rps` and `late_p99_ms` are the open model's: what was asked for, and how late the client
    itself was in sending where a connection was free (part of each latency).
    """

    model: str
    rps: float
    p50_ms: float
    p99_ms: float
    errors: int
    max_ms: float
    answers: int
    seconds: float
    connections: int
    client_cpu: float
    statuses: dict[int, int]
    unanswered: int = 0
    due_rps: float | None = None
    late_p99_ms: float | None = None


def request(host: str, port: int, path: bytes) -> bytes:
    """The bytes of a GET of `path`, such as b"/v1/atp/A%201"."""
    return b"GET " + path + f" HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: */*\r\n\r\n".encode()


def post(host: str, port: int, path: bytes, body: bytes) -> bytes:
    """The bytes of a POST of JSON to `path`."""
    return (
        b"POST "
        + path
        + f" HTTP/1.1\r\nHost: {host}:{port}\r\nAccept: */*\r\n".encode()
        + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


async def closed(
    host: str, port: int, paths: Sequence[bytes], connections: int, seconds: float, *, warmup_s: float = 1.0
) -> Result:
    """Asks for `paths` in turn over `connections` connections, each one request at a time.

    What is answered in the first `warmup_s` seconds does not count. Raises ConnectionError if the server does
    not take a connection, or loses so many that no figure would mean anything.
    """
    load = _Closed(host, port, paths)
    return await load.run(connections, seconds, warmup_s)


async def open_rate(
    host: str,
    port: int,
    paths: Sequence[bytes],
    rate: float,
    seconds: float,
    *,
    connections: int = 64,
    warmup_s: float = 1.0,
    drain_s: float = 5.0,
    bodies: Sequence[bytes] = (),
) -> Result:
    """Asks for `paths` in turn, `rate` requests a second, for `seconds` after `warmup_s`.

    With `bodies` they are POSTs of these in turn, to the first path.

    A request that is due while all connections are busy waits for one, and its wait counts. Those unanswered
    `drain_s` after the last was due count as errors with the time they have waited. Raises as `closed` does.
    """
    load = _Open(host, port, paths, rate, bodies)
    return await load.run(connections, seconds, warmup_s, drain_s)


async def batches(host: str, port: int, skus: Sequence[str], rate: float, seconds: float) -> Result:
    """`rate` times a second a POST of BATCH SKUs, drawn of these at random. Raises as `closed` does."""
    rng = random.Random(1)
    bodies = [
        json.dumps({"items": [{"sku": sku} for sku in rng.choices(skus, k=BATCH)]}).encode()
        for _ in range(_BATCHES)
    ]
    return await open_rate(
        host, port, [b"/v1/atp:batch"], rate, seconds, warmup_s=_BATCHES_WARMUP_S, bodies=bodies
    )


def checked(result: Result) -> dict[str, Any]:
    """A result as an outcome of `in_turns`. Raises BenchError unless all answers were good, and there were some."""
    if result.errors or not result.answers:
        raise BenchError(f"{result.errors} of {result.answers} answers were errors: {result.statuses}.")
    return asdict(result) | {"rps": round(result.rps, 1)}


class Schedule:
    """When each request of an open load is due, in seconds on the monotonic clock.

    Request number i is due at `began + i / rate`, however late those before it are.
    """

    def __init__(self, began: float, rate: float, count: int) -> None:
        if rate <= 0:
            raise ValueError(f"A load needs a rate above 0 requests/s, not {rate}.")
        self._began, self._rate, self._count = began, rate, count
        self._next = 0

    @property
    def done(self) -> bool:
        """Whether all have been handed out."""
        return self._next >= self._count

    def take(self, now: float) -> float | None:
        """When the next request was due if that has come, and moves on; else None."""
        if self.done:
            return None
        due = self._began + self._next / self._rate
        if due > now:
            return None
        self._next += 1
        return due

    def all_due(self, now: float) -> Iterator[float]:
        """Takes all that are due by `now`."""
        while (due := self.take(now)) is not None:
            yield due


class _Load:
    """Connections that stay open, and the count of what came back on them."""

    def __init__(self, host: str, port: int, paths: Sequence[bytes], bodies: Sequence[bytes] = ()) -> None:
        if not paths:
            raise ValueError("A load needs at least one path to ask for.")
        self._host, self._port = host, port
        self._requests = itertools.cycle(
            [post(host, port, paths[0], body) for body in bodies]
            or [request(host, port, path) for path in paths]
        )
        self.latencies = Latencies()
        self.statuses: dict[int, int] = {}
        self.good = self.broken = 0
        self._counting_from = float("inf")
        self._reopened = 0
        self._reopening: set[asyncio.Task[None]] = set()
        self._failed: ConnectionError | None = None
        self._open: set[Connection] = set()
        self._over = False

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                _, made = await loop.create_connection(
                    lambda: Connection(self._answered, self._lost), self._host, self._port
                )
        except (OSError, TimeoutError) as error:
            raise ConnectionError(
                f"No connection to http://{self._host}:{self._port}: {error or 'no answer in time'}. "
                "Start the server first, and see that it listens there."
            ) from error
        self._open.add(made)
        return made

    def _answered(self, connection: Connection, reply: Reply) -> None:
        """An answer is there in full, and the connection is free unless it is to be closed."""
        now = time.monotonic()
        if connection.due >= self._counting_from:
            self.latencies.record(now - connection.due)
            self.statuses[reply.status] = self.statuses.get(reply.status, 0) + 1
            if 200 <= reply.status < 300 or reply.status == 304:
                self.good += 1
            else:
                self.broken += 1
        if reply.close:
            connection.drop()
            self._open.discard(connection)
            self._reopen()
        else:
            self._free(connection, now)

    def _lost(self, connection: Connection, why: str) -> None:
        """The connection went, with a request under way or not."""
        self._open.discard(connection)
        if self._over:
            return
        if connection.busy and connection.due >= self._counting_from:
            self.latencies.record(time.monotonic() - connection.due)
            self.broken += 1
        self._reopen(why)

    def _reopen(self, why: str = "each answer closed its connection") -> None:
        if self._over:
            return
        self._reopened += 1
        if self._reopened > _REOPENS_MAX:
            self._fail(
                ConnectionError(
                    f"http://{self._host}:{self._port} lost {_REOPENS_MAX} connections, the last because {why}. "
                    "See the server's log: a load of this kind needs connections that are kept open."
                )
            )
            return
        task = asyncio.get_running_loop().create_task(self._open_again())
        self._reopening.add(task)
        task.add_done_callback(self._reopening.discard)

    async def _open_again(self) -> None:
        try:
            connection = await self._connect()
        except ConnectionError as error:
            self._fail(error)
            return
        if not self._over:
            self._free(connection, time.monotonic())

    def _fail(self, error: ConnectionError) -> None:
        self._failed = self._failed or error

    def _free(self, connection: Connection, now: float) -> None:
        raise NotImplementedError

    async def _wait_until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.1))
            self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failed is not None:
            raise self._failed

    async def _close(self) -> None:
        self._over = True
        for task in list(self._reopening):
            task.cancel()
        await asyncio.gather(*self._reopening, return_exceptions=True)
        for connection in self._open:
            connection.drop()
        self._open.clear()


class _Closed(_Load):
    async def run(self, connections: int, seconds: float, warmup_s: float) -> Result:
        try:
            ready = [await self._connect() for _ in range(connections)]
            began = time.monotonic()
            for connection in ready:
                self._free(connection, began)
            await self._wait_until(began + warmup_s)
            counted_from, cpu_from = time.monotonic(), time.process_time()
            self._counting_from = counted_from
            await self._wait_until(counted_from + seconds)
            took, cpu = time.monotonic() - counted_from, time.process_time() - cpu_from
        finally:
            await self._close()
        return Result(
            model="closed",
            rps=self.good / took,
            p50_ms=self.latencies.percentile_ms(50),
            p99_ms=self.latencies.percentile_ms(99),
            errors=self.broken,
            max_ms=self.latencies.max_ms,
            answers=sum(self.statuses.values()),
            seconds=took,
            connections=connections,
            client_cpu=cpu / took,
            statuses=self.statuses,
        )

    def _free(self, connection: Connection, now: float) -> None:
        if not self._over:
            connection.send(next(self._requests), now)


class _Open(_Load):
    def __init__(
        self, host: str, port: int, paths: Sequence[bytes], rate: float, bodies: Sequence[bytes] = ()
    ) -> None:
        super().__init__(host, port, paths, bodies)
        self._rate = rate
        self._idle: deque[Connection] = deque()
        self._late = Latencies()
        self._schedule = Schedule(0.0, rate, 0)

    async def run(self, connections: int, seconds: float, warmup_s: float, drain_s: float) -> Result:
        try:
            self._idle.extend([await self._connect() for _ in range(connections)])
            began = time.monotonic()
            self._counting_from = began + warmup_s
            wanted = int(self._rate * (warmup_s + seconds))
            counted = wanted - int(self._rate * warmup_s)
            self._schedule = Schedule(began, self._rate, wanted)
            cpu_from, cpu_began = 0.0, 0.0
            last_due = began + wanted / self._rate
            # By the clock, not until all are sent: a server that hangs leaves some without a connection.
            while not self._schedule.done and time.monotonic() < last_due:
                await asyncio.sleep(_TICK_S)
                self._raise_failure()
                now = time.monotonic()
                if not cpu_began and now >= self._counting_from:
                    cpu_from, cpu_began = time.process_time(), now
                self._send_due(now)
            ended = time.monotonic()
            cpu = (time.process_time() - cpu_from) / max(ended - cpu_began, 1e-9)
            while self._outstanding() and time.monotonic() < last_due + drain_s:
                await asyncio.sleep(_TICK_S)
                self._raise_failure()
                self._send_due(time.monotonic())
            unanswered = self._give_up(time.monotonic())
        finally:
            await self._close()
        return Result(
            model="open",
            rps=self.good / seconds,
            p50_ms=self.latencies.percentile_ms(50),
            p99_ms=self.latencies.percentile_ms(99),
            errors=self.broken,
            max_ms=self.latencies.max_ms,
            answers=sum(self.statuses.values()),
            seconds=seconds,
            connections=connections,
            client_cpu=cpu,
            statuses=self.statuses,
            unanswered=unanswered,
            due_rps=counted / seconds,
            late_p99_ms=self._late.percentile_ms(99),
        )

    def _free(self, connection: Connection, now: float) -> None:
        due = self._schedule.take(now)
        if due is None:
            self._idle.append(connection)
        else:  # the request had to wait for this connection, or came due since the last tick
            connection.send(next(self._requests), due)

    def _send_due(self, now: float) -> None:
        while self._idle:
            due = self._schedule.take(now)
            if due is None:
                return
            connection = self._idle.popleft()
            if connection.closed:
                continue
            self._late.record(now - due)
            connection.send(next(self._requests), due)

    def _outstanding(self) -> bool:
        return any(connection.busy for connection in self._open) or not self._schedule.done

    def _give_up(self, now: float) -> int:
        """Counts what was not answered, each with the time it has waited by `now`."""
        waiting = [connection.due for connection in self._open if connection.busy]
        waiting.extend(self._schedule.all_due(now))
        waiting = [due for due in waiting if due >= self._counting_from]
        self.latencies.record_all(now - due for due in waiting)
        self.broken += len(waiting)
        return len(waiting)


def main() -> None:
    """Loads one server and prints the result as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("address", help="HOST:PORT of the server; a machine of your own only")
    parser.add_argument("paths", nargs="+", help="paths to ask for in turn")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rate", type=float, help="requests/s of the open model; without it, closed model")
    args = parser.parse_args()
    host, _, port = args.address.rpartition(":")
    paths = [path.encode() for path in args.paths]
    if args.rate:
        work = open_rate(host, int(port), paths, args.rate, args.seconds, connections=args.connections)
    else:
        work = closed(host, int(port), paths, args.connections, args.seconds)
    print(json.dumps(asdict(uvloop.run(work))))


if __name__ == "__main__":
    main()
