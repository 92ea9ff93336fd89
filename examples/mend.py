"""An operator mends an event that could not be applied: sees it, corrects it, replays it, and sees that it counts.

    python3 examples/mend.py [http://127.0.0.1:8080]

It takes the newest event of a version that nobody knows, of which the sample trade has some, and replays it as version
1. Standard library only; KEY holds the API key, if one is asked for (scopes `exceptions:read` and `exceptions:write`).
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any


def ask(url: str, body: Any = None, content_type: str = "application/json") -> tuple[int, Any]:
    """(status, body) of a GET, or with a body of a POST."""
    headers = {"Content-Type": content_type}
    if key := os.environ.get("KEY"):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def main(url: str) -> None:
    _, found = ask(f"{url}/v1/exceptions?what=dead_letter&kind=unknown_type&limit=1")
    if not found["exceptions"]:
        raise SystemExit("Nothing to mend: no event of an unknown type is open. Let the sample trade run on.")
    one = found["exceptions"][0]
    print(f"{one['id']}: {one['detail'].partition(';')[0]}")
    print("it concerns:", *one["impact"]["orders"], *one["impact"]["skus"], *one["impact"]["shipments"])

    event = json.loads(one["value"])
    event["type"] = event["type"].rpartition(".")[0] + ".v1"
    mended = {"event": event, "reason": "its source said version 7 for 1"}
    status, done = ask(f"{url}/v1/exceptions/{one['id']}:replay", mended)
    if status != 202:
        raise SystemExit(f"{status} {done['title']}: {done['detail']}")
    print(f"replayed as {done['event_id']}, mended: {done['mended']}")

    # Once its position is reached, the mended event has had its effect and the exception is open no more.
    _, after = ask(f"{url}/v1/exceptions?state=replayed&min_position={done['position']}")
    (same,) = [other for other in after["exceptions"] if other["id"] == one["id"]]
    print(f"by {same['action']['by']}: {same['action']['reason']}")

    # What was replayed is not replayed again: it would count twice.
    status, problem = ask(f"{url}/v1/exceptions/{one['id']}:replay", mended)
    print(f"again: {status} {problem['title']}")


if __name__ == "__main__":
    main((sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080").rstrip("/"))
