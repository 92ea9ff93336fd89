"""Bare aiohttp: one process with uvloop that answers a fixed JSON body, and does nothing else.

By itself it loads its own server, first as fast as 64 connections can, then at half of that rate, and prints
both. With --serve it only serves, prints {"port": ...} and ends with its standard input or a signal: so that
another bench can load it in turns with its own server.

    python -m benchmarks.peers.bare_aiohttp --seconds 10
    python -m benchmarks.peers.bare_aiohttp --serve --body-bytes 400
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web

from benchmarks import http_load

HOST = "127.0.0.1"
_START_S = 20.0
_STOP_S = 5.0


def body(size: int) -> bytes:
    """A JSON object of exactly `size` bytes, at least 40."""
    empty = json.dumps({"sku": "SKU-000001", "available_now": 12, "more": ""}).encode()
    if size < len(empty):
        raise ValueError(f"The smallest body has {len(empty)} bytes: ask for as many or more, not {size}.")
    return empty[:-2] + b"x" * (size - len(empty)) + empty[-2:]


async def serve(port: int, body_bytes: int) -> None:
    """Serves GET /v1/atp/{sku} on loopback until standard input ends or a signal comes."""
    answer = body(body_bytes)

    async def get(_request: web.Request) -> web.Response:
        return web.Response(body=answer, content_type="application/json")

    app = web.Application()
    app.router.add_get("/v1/atp/{sku}", get)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, over.set)
        loop.run_in_executor(None, _end_of_input, loop, over)
        print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
        await over.wait()
    finally:
        await runner.cleanup()


def _end_of_input(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    """Waits for whoever started us to go, however it went."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdin.buffer.read()
    with contextlib.suppress(RuntimeError):  # the loop is closed: a signal came first
        loop.call_soon_threadsafe(over.set)


@asynccontextmanager
async def served(body_bytes: int = 300) -> AsyncIterator[int]:
    """A server in a process of its own; gives its port, and ends it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.peers.bare_aiohttp",
        "--serve",
        "--body-bytes",
        str(body_bytes),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_S)
        if not line:
            raise RuntimeError(f"The server ended with status {await process.wait()} before it listened.")
        yield int(json.loads(line)["port"])
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def measure(body_bytes: int, connections: int, seconds: float) -> dict[str, object]:
    """The top rate, and the latency at half of it."""
    paths = [f"/v1/atp/SKU-{number:06d}".encode() for number in range(1000)]
    async with served(body_bytes) as port:
        top = await http_load.closed(HOST, port, paths, connections, seconds)
        half = await http_load.open_rate(HOST, port, paths, top.rps / 2, seconds, connections=connections)
    return {
        "peer": "bare aiohttp",
        "version": aiohttp.__version__,
        "body_bytes": body_bytes,
        "rps": round(top.rps, 1),
        "p50_ms": top.p50_ms,
        "p99_ms": top.p99_ms,
        "errors": top.errors + half.errors,
        "client_cpu": round(top.client_cpu, 3),
        "half_rate_rps": round(half.rps, 1),
        "half_rate_p50_ms": half.p50_ms,
        "half_rate_p99_ms": half.p99_ms,
        "half_rate_client_cpu": round(half.client_cpu, 3),
    }


def main() -> None:
    """Serves, or measures and prints one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--serve", action="store_true", help="only serve, until standard input ends")
    parser.add_argument("--port", type=int, default=0, help="port to serve on; 0 takes a free one")
    parser.add_argument("--body-bytes", type=int, default=300)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10.0)
    args = parser.parse_args()
    if args.serve:
        uvloop.run(serve(args.port, args.body_bytes))
    else:
        print(json.dumps(uvloop.run(measure(args.body_bytes, args.connections, args.seconds))))


if __name__ == "__main__":
    main()
