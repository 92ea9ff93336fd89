"""The pages' own files, in memory and compressed once: scripts, styles, the icon, and the licences of others."""

from __future__ import annotations

import gzip
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import web

_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
_FOREVER: Final = "public, max-age=31536000, immutable"


class Asset(NamedTuple):
    plain: bytes
    packed: bytes
    content_type: str
    tag: str


class Assets:
    """Name -> file. A page names each with its tag, so that a browser keeps it until it changes."""

    def __init__(self) -> None:
        self._assets = {path.name: _read(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}

    def url(self, name: str) -> str:
        return f"/static/{name}?v={self._assets[name].tag}"

    def bytes_of(self, *names: str) -> int:
        """How large they are, not compressed."""
        return sum(len(self._assets[name].plain) for name in names)

    async def get(self, request: web.Request) -> web.Response:
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        headers = {"ETag": f'"{asset.tag}"', "Vary": "Accept-Encoding"}
        headers["Cache-Control"] = _FOREVER if request.query.get("v") == asset.tag else "no-cache"
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        body = asset.plain
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = asset.packed
        return web.Response(body=body, headers=headers, content_type=asset.content_type, charset="utf-8")


def _read(path: Path) -> Asset:
    plain = path.read_bytes()
    tag = blake2b(plain, digest_size=8).hexdigest()
    return Asset(plain, gzip.compress(plain, mtime=0), _TYPES[path.suffix], tag)
