"""An issuer of tokens of the test's own: it publishes its keys over loopback and signs what it is asked to."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

ISSUER = "https://issuer.example/"
AUDIENCE = "springtide"


class Issuer:
    """`published` are the ids of the keys it publishes; `asked` counts how often."""

    def __init__(self):
        self.keys = {
            "rsa-1": (rsa.generate_private_key(65537, 2048), "RS256"),
            "ec-1": (ec.generate_private_key(ec.SECP256R1()), "ES256"),
            "ed-1": (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
        }
        self.published = ["rsa-1", "ec-1", "ed-1"]
        self.asked = 0
        self.answers = 200
        self.raw = None
        """What it answers instead of its keys."""
        self.url = ""

    def key_set(self):
        found = []
        for kid in self.published:
            key, algorithm = self.keys[kid]
            writer = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}[algorithm]
            shown = json.loads(writer.to_jwk(key.public_key()))
            found.append(shown | {"kid": kid, "use": "sig", "alg": algorithm})
        return {"keys": found}

    def token(self, kid="rsa-1", *, headers=None, algorithm=None, key=None, **claims):
        signing, own = self.keys[kid]
        given = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": "service-7",
            "exp": int(time.time()) + 300,
            "scope": "atp:read",
        } | claims
        given = {name: value for name, value in given.items() if value is not None}
        named = {name: value for name, value in ({"kid": kid} | (headers or {})).items() if value is not None}
        return jwt.encode(given, key or signing, algorithm or own, named)

    async def _answer(self, _):
        self.asked += 1
        if self.raw is not None:
            return web.Response(body=self.raw, content_type="application/json")
        return web.json_response(self.key_set(), status=self.answers)

    @asynccontextmanager
    async def open(self):
        app = web.Application()
        app.router.add_get("/keys", self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
        try:
            yield self
        finally:
            await runner.cleanup()

    def settings(self):
        return {"oauth_jwks_url": self.url, "oauth_issuer": ISSUER, "oauth_audience": AUDIENCE}
