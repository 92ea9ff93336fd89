"""What stands at the other end of an upsert in the manner of Salesforce: a token URL, and a PATCH by external id.

    python3 examples/upsert_sink.py --port 9020

`GET /` shows the rows. A PATCH with an older version than the row's is taken and changes nothing.
"""

from __future__ import annotations

import argparse
import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

BODY_BYTES_MAX = 1 << 20
PREFIX = "/sobjects/Order/External_Id__c/"


def server(port: int) -> ThreadingHTTPServer:
    lock = threading.Lock()
    rows: dict[str, dict[str, Any]] = {}
    token = secrets.token_urlsafe()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with lock:
                self.answer(200, rows)

        def do_POST(self) -> None:
            """Client credentials (RFC 6749, 4.4); a real one checks the client's secret."""
            self.body()
            is_known = self.headers.get("Authorization", "").startswith("Basic ")
            self.answer(*(200, {"access_token": token, "expires_in": 3600}) if is_known else (401, {}))

        def do_PATCH(self) -> None:
            body = self.body()
            if self.headers.get("Authorization") != f"Bearer {token}":
                self.answer(401, {})
                return
            fields = json.loads(body)
            with lock:
                row = rows.setdefault(unquote(self.path.removeprefix(PREFIX)), {"Version__c": 0})
                if fields["Version__c"] > row["Version__c"]:
                    row |= fields
            self.answer(200, {})

        def body(self) -> bytes:
            return self.rfile.read(min(int(self.headers.get("Content-Length", "0")), BODY_BYTES_MAX))

        def answer(self, status: int, body: Any) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """One line a request is too much."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=9020)
    with server(parser.parse_args().port) as one:
        print(f"listening on http://127.0.0.1:{one.server_address[1]}", flush=True)
        one.serve_forever()


if __name__ == "__main__":
    main()
