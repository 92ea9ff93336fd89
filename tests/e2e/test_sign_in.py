"""Signing in to the pages in a real browser: by a key, with a wrong one, with one that is revoked meanwhile, and what
a reader sees beside an operator. A view that asks for keys beside the one that runs openly, on the same log."""

from __future__ import annotations

import asyncio
import threading

from running import LIMIT_S

from springtide.app.access.keys import new_key
from springtide.app.access.registry import Keeper
from springtide.app.view.server import serve
from springtide.codecs.access import Key

HOSTILE = "<img src=x onerror=alert(1)>"


class Guarded:
    """A view that asks for keys, in a thread of its own."""

    def __init__(self, running, folder):
        given = {"access": "keys", "data_dir": folder, "port": 0}
        self._settings = running.stack.settings.model_copy(update=given)
        self._connection = running.stack.connection
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(LIMIT_S)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()

    def make(self, *scopes, name="desk"):
        """(record, the whole key); the view knows it."""
        key_id, key_hash, shown = new_key()
        key = Key(
            id=key_id,
            name=name,
            hash=key_hash,
            scopes=scopes,
            partner=key_id,
            rate_per_s=1_000.0,
            burst=2_000,
            created_ms=0,
        )
        self.keep(key)
        return key, shown

    def keep(self, key):
        """Writes a key and waits until the view has read it."""
        asyncio.run_coroutine_threadsafe(self._keep(key), self._loop).result(LIMIT_S)

    async def _keep(self, key):
        keeper = Keeper(self._connection)
        offset = await keeper.keep(key)
        await keeper.close()
        async with asyncio.timeout(LIMIT_S):
            while self._view_registry.position <= offset:
                await asyncio.sleep(0.01)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._stop = asyncio.Event()
        self._loop.run_until_complete(
            serve(self._settings, self._connection, index=9, port=0, stop=self._stop, ready=self._listening)
        )
        self._loop.close()

    def _listening(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self._ready.set()
