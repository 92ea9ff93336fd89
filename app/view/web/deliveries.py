"""Subscriptions as the pages of push list them, and what a form says as the API wants it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from springtide.app.view.web.asking import path
from springtide.app.view.web.words import NONE, instant_of, qty, span, words

Row = Mapping[str, Any]
Fault = dict[str, str]

STANDINGS: Final = {
    "delivering": ("Active", "good"),
    "failing": ("Failing", "late"),
    "broken": ("Circuit open", "bad"),
    "paused": ("Paused", "calm"),
    "ended": ("Ended", "bad"),
}
"""Standing -> how it is called, and its tone."""
FILTERS: Final = ("status", "cause", "channel", "region", "customer_class")
_TEXT_MAX: Final = 160
_NEEDED_MOST: Final = {"broken": 0, "failing": 1, "ended": 2, "paused": 4}
_WHOLE: Final = ("coalesce_ms", "in_flight_max", "timeout_ms", "give_up_s")


# --- what the API says ---


def subscription(row: Row, now_s: float) -> dict[str, Any]:
    """One subscription; `now_s` is the clock, from which ages are counted."""
    name, url = _text(row.get("name")), _text(row.get("url"))
    delivery = _mapping(row.get("delivery"))
    trouble = _mapping(delivery.get("trouble"))
    standing = delivery.get("standing") or row.get("state")
    label, tone = STANDINGS.get(str(standing), (words(standing), "calm"))
    failures = _number(trouble.get("failures"))
    found = {
        "id": _text(row.get("id")),
        "href": path("push", _text(row.get("id")) or NONE),
        "title": name or _host(url) or _text(row.get("id")),
        "url": url,
        "state": row.get("state"),
        "standing": standing,
        "label": label,
        "tone": tone,
        "told": delivery.get("told"),
        "per_s": delivery.get("per_s"),
        "coalesced": delivery.get("coalesced"),
        "backlog": delivery.get("backlog"),
        "oldest_s": _ago(delivery.get("oldest_at"), now_s),
        "parked_total": delivery.get("parked_total"),
        "why": trouble.get("why"),
        "failed_at": trouble.get("at"),
        "failed_s": _ago(trouble.get("at"), now_s),
        "failures": failures,
        "failing": standing in ("failing", "broken"),
        "since_s": _ago(trouble.get("since"), now_s),
        "next": _next(trouble.get("next_try_at"), now_s),
        "ended_why": row.get("why"),
        "filter": filter_words(row.get("filter")),
        "format": format_words(row.get("upsert")),
        "pace": pace_words(row),
        "secrets": row.get("secrets"),
        "created_at": row.get("created_at"),
    }
    return {**found, "sentence": sentence(found)}


def by_need(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that need someone first: broken, failing, ended, with something parked; then the largest backlog."""
    return sorted(
        rows,
        key=lambda row: (
            _NEEDED_MOST.get(row["standing"], 3 if row["parked_total"] else 5),
            -_number(row["backlog"]),
        ),
    )


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """All of them together."""
    ages = [row["oldest_s"] for row in rows if row["oldest_s"] is not None]
    return {
        "subscriptions": len(rows),
        "failing": sum(row["standing"] in ("failing", "broken", "ended") for row in rows),
        "backlog": sum(_number(row["backlog"]) for row in rows),
        "oldest_s": max(ages, default=None),
        "per_s": sum(_number(row["per_s"]) for row in rows),
        "parked": sum(_number(row["parked_total"]) for row in rows),
    }


def sentence(row: Row) -> str:
    """How it stands, as one would say it."""
    waiting = _waiting(row)
    if row["standing"] == "paused":
        return f"Stopped by hand. {waiting} Resuming goes on from there."
    if row["standing"] == "ended":
        return f"Its receiver wants no more: {row['ended_why'] or 'it said so'}. {waiting}"
    if row["failing"]:
        often = "once" if row["failures"] == 1 else f"{qty(row['failures'])} times in a row"
        since = "" if row["since_s"] is None else f" for {span(row['since_s'])}"
        going_on = f" Next try {row['next']}." if row["next"] else ""
        if row["standing"] == "broken":
            return (
                f"The circuit is open: nothing was taken{since}, it failed {often}. {waiting} One request tries "
                f"until one is taken.{going_on}"
            )
        return f"Its receiver did not take what it was told, {often}{since}. {waiting}{going_on}"
    return f"What its receiver is told it takes. {waiting}"


def _waiting(row: Row) -> str:
    backlog = _number(row["backlog"])
    if not backlog:
        return "Nothing waits."
    age = "" if row["oldest_s"] is None else f", the oldest for {span(row['oldest_s'])}"
    return f"{'1 change waits' if backlog == 1 else f'{qty(backlog)} changes wait'}{age}."


def filter_words(found: Any) -> str:
    """`status Shipped or Delivered; region north`."""
    parts = []
    for name in FILTERS:
        wanted = _mapping(found).get(name)
        if isinstance(wanted, list) and wanted:
            said = [words(one) if name in ("status", "cause") else _text(one) for one in wanted]
            parts.append(f"{words(name).lower()} {' or '.join(said)}")
    return _cut("; ".join(parts)) or "every change"


def format_words(upsert: Any) -> str:
    if not isinstance(upsert, Mapping):
        return "CloudEvents"
    fields = _mapping(upsert.get("fields"))
    return f"Upsert ({upsert.get('method') or 'PATCH'}) of {_cut(', '.join(map(_text, fields)))}"


def pace_words(row: Row) -> str:
    """`at most 1 000/s, 32 at once, 10 s each; given up after 3 d`."""
    rate_per_s = row.get("rate_per_s")
    most = int(rate_per_s) if isinstance(rate_per_s, float) and rate_per_s.is_integer() else rate_per_s
    said = f"at most {qty(most)}/s, {qty(row.get('in_flight_max'))} at once"
    timeout_ms, coalesce_ms = row.get("timeout_ms"), row.get("coalesce_ms")
    if isinstance(timeout_ms, int):
        said += f", {timeout_ms / 1_000:g} s for an answer"
    said += f"; given up after {span(row.get('give_up_s'))}"
    if isinstance(coalesce_ms, int) and coalesce_ms:
        said += f"; the last change within {coalesce_ms / 1_000:g} s"
    return said


def parked(row: Row) -> dict[str, Any]:
    """A change that was given up."""
    impact = _mapping(row.get("impact"))
    order_id = _text(row.get("order_id"))
    return {
        "order_id": order_id,
        "href": path("order", order_id or NONE),
        "version": row.get("version"),
        "status": row.get("status"),
        "why": _cut(_text(row.get("why"))),
        "at": row.get("at"),
        "customer_id": row.get("customer_id"),
        "channel": row.get("channel"),
        "region": row.get("region"),
        "now": impact.get("status"),
        "units": impact.get("units"),
        "behind": bool(impact.get("behind")),
        "consequence": f"the receiver still shows {words(row['previous']).lower()}"
        if impact.get("behind") and row.get("previous")
        else impact.get("consequence"),
    }


def replay(row: Row) -> dict[str, Any]:
    """What was asked to be told again."""
    what = []
    if row.get("order_id"):
        what.append(f"order {row['order_id']}")
    if row.get("parked"):
        what.append("what is parked")
    if row.get("from") or row.get("to"):
        what.append("changes written")
    return {
        "what": ", ".join(what) or "changes",
        "from": row.get("from"),
        "to": row.get("to"),
        "at": row.get("asked_at"),
        "done": bool(row.get("done")),
    }


# --- what a form says ---


def wish(form: Mapping[str, str], statuses: list[str]) -> tuple[dict[str, Any], list[Fault]]:
    """A new subscription as the API takes it, and what can't be understood of the form. A field that is empty is
    left out, so that the API's default holds."""
    found: dict[str, Any] = {
        name: given for name in ("url", "name", "secret", "start") if (given := form.get(name, "").strip())
    }
    faults: list[Fault] = []
    wanted: dict[str, Any] = {"status": statuses} if statuses else {}
    for name in FILTERS[1:]:
        if several := [one for part in form.get(name, "").split(",") if (one := part.strip())]:
            wanted[name] = several
    if wanted:
        found["filter"] = wanted
    for name in _WHOLE:
        if given := form.get(name, "").strip():
            if given.isascii() and given.isdigit() and len(given) < 12:
                found[name] = int(given)
            else:
                faults.append({"path": name, "message": "It has to be a whole number."})
    if given := form.get("rate_per_s", "").strip():
        try:
            found["rate_per_s"] = float(given)
        except ValueError:
            faults.append({"path": "rate_per_s", "message": "It has to be a number."})
    if form.get("format") == "upsert":
        found["upsert"] = _upsert(form, faults)
    return found, faults


def _upsert(form: Mapping[str, str], faults: list[Fault]) -> dict[str, Any]:
    fields: dict[str, str] = {}
    for line in form.get("fields", "").splitlines():
        name, equals, part = line.partition("=")
        if equals and name.strip() and part.strip():
            fields[name.strip()] = part.strip()
        elif line.strip():
            faults.append(
                {
                    "path": "fields",
                    "message": f"“{_cut(line.strip(), 40)}” is no line such as Status__c = status.",
                }
            )
            break
    if not fields and not faults:
        faults.append({"path": "fields", "message": "Say at least one field, such as Status__c = status."})
    found: dict[str, Any] = {"fields": fields, "method": form.get("method") or "PATCH"}
    oauth = {name: given for name in ("token_url", "client_id") if (given := form.get(name, "").strip())}
    if given := form.get("client_secret", ""):
        oauth["client_secret"] = given
    if oauth:
        found["oauth"] = oauth
        for name in ("token_url", "client_id", "client_secret"):
            if name not in oauth:
                faults.append({"path": name, "message": "A token needs its URL, a client id and a secret."})
                break
    return found


def faults_of(problem: Row) -> list[Fault]:
    """What a problem says about fields, under the names of the form."""
    found = problem.get("errors")
    return [
        {
            "path": _text(fault.get("path")).rpartition(".")[2] or "url",
            "message": _said(_text(fault.get("message"))),
        }
        for fault in (found if isinstance(found, list) else [])
        if isinstance(fault, Mapping)
    ]


def _said(message: str) -> str:
    text = message[:1].upper() + message[1:]
    return text if text.endswith(".") else text + "."


# --- leniency ---


def _mapping(value: Any) -> Row:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _cut(text: str, most: int = _TEXT_MAX) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _number(value: Any) -> Any:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def _ago(value: Any, now_s: float) -> float | None:
    at = instant_of(value)
    return None if at is None else max(0.0, now_s - at.timestamp())


def _next(value: Any, now_s: float) -> str | None:
    at = instant_of(value)
    if at is None:
        return None
    left_s = at.timestamp() - now_s
    return f"in {span(left_s)}" if left_s >= 1 else "now"
