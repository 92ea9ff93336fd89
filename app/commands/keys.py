"""`keys`: who may ask the HTTP API. Views take a change within a second."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from springtide.app.commands.errors import USAGE, CommandError
from springtide.app.commands.options import AsJson, Options, connection_of

if TYPE_CHECKING:
    from springtide.app.access.registry import Keeper, Registry
    from springtide.codecs.access import Key

_RATE_PER_S: Final = 50.0
_UNITS_S: Final = {"m": 60, "h": 3_600, "d": 86_400}

Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is for, for people.")]
Scope = Annotated[
    list[str],
    typer.Option(
        "--scope", metavar="SCOPE", help="Such as atp:read, or read, *, reader, operator; repeat it."
    ),
]
Partner = Annotated[
    str | None, typer.Option(metavar="NAME", help="Whom its requests count for; else NAME itself.")
]
Rate = Annotated[float, typer.Option("--rate", min=0.001, metavar="PER_S", help="Requests a second.")]
Burst = Annotated[int | None, typer.Option(min=1, metavar="N", help="Requests at once; else twice the rate.")]
Quota = Annotated[int | None, typer.Option(min=1, metavar="N", help="Requests of the partner a day, in UTC.")]
Expires = Annotated[
    str | None, typer.Option(metavar="WHEN", help="An instant, or a time from now: 90d, 12h, 30m.")
]
Customer = Annotated[
    list[str] | None, typer.Option("--customer", metavar="ID", help="Only orders of this one; repeat it.")
]
Channel = Annotated[
    list[str] | None, typer.Option("--channel", metavar="NAME", help="Only orders of this one; repeat it.")
]
Source = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="NAME", help="Only events of this source may be written; repeat it."),
]


def create(
    options: Options,
    name: Name,
    scope: Scope,
    partner: Partner = None,
    rate: Rate = _RATE_PER_S,
    burst: Burst = None,
    quota: Quota = None,
    expires: Expires = None,
    customer: Customer = None,
    channel: Channel = None,
    source: Source = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and show it, once: only its hash is kept."""
    from math import ceil  # noqa: PLC0415
    from time import time  # noqa: PLC0415

    import msgspec  # noqa: PLC0415

    from springtide.app.access import scopes  # noqa: PLC0415
    from springtide.app.access.keys import new_key  # noqa: PLC0415
    from springtide.app.access.registry import KEYS_MAX  # noqa: PLC0415
    from springtide.codecs.access import Key  # noqa: PLC0415

    if unknown := scopes.unknown(scope):
        raise CommandError(
            f"There is no scope {unknown[0]!r}.",
            f"There are {', '.join(scopes.SCOPES)}, and the sets {', '.join(scopes.SETS)}.",
            status=USAGE,
        )
    now_ms = int(time() * 1_000)
    key_id, key_hash, shown = new_key()
    try:
        key = msgspec.convert(
            {
                "id": key_id,
                "name": name,
                "hash": key_hash,
                "scopes": list(dict.fromkeys(scope)),
                "partner": partner or name,
                "rate_per_s": rate,
                "burst": burst or max(1, ceil(2 * rate)),
                "quota_per_day": quota,
                "customers": customer or [],
                "channels": channel or [],
                "sources": source or [],
                "created_ms": now_ms,
                "expires_ms": None if expires is None else _expiry_ms(expires, now_ms),
            },
            Key,
        )
    except msgspec.ValidationError as error:
        raise CommandError(f"The key can't be made: {error}.", "Correct it.", status=USAGE) from None

    async def work(registry: Registry, keeper: Keeper) -> None:
        if len(registry.keys) >= KEYS_MAX:
            raise CommandError(f"There are {KEYS_MAX} keys already.", "Give some of them to several uses.")
        await keeper.keep(key)

    _with_registry(options, work)
    if as_json:
        _print_json({"key": shown, **_body(key, now_ms)})
        return
    typer.echo(shown)
    typer.echo("This is shown once. Send it as `Authorization: Bearer ...`.", err=True)


def list_keys(options: Options, as_json: AsJson = False) -> None:
    """List the keys with what they allow; the keys themselves are nowhere kept."""
    from time import time  # noqa: PLC0415

    found: list[Key] = []

    async def work(registry: Registry, _: Keeper) -> None:
        found.extend(sorted(registry.keys.values(), key=lambda key: (key.created_ms, key.id)))

    _with_registry(options, work)
    now_ms = int(time() * 1_000)
    bodies = [_body(key, now_ms) for key in found]
    if as_json:
        _print_json({"keys": bodies})
        return
    _print_table(bodies)


def revoke(
    options: Options,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `springtide keys list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """Revoke a key, for good; views refuse it within a second."""
    from time import time  # noqa: PLC0415

    import msgspec  # noqa: PLC0415

    now_ms = int(time() * 1_000)
    revoked: list[Key] = []

    async def work(registry: Registry, keeper: Keeper) -> None:
        known = registry.keys.get(key_id)
        if known is None:
            raise CommandError(f"There is no key {key_id!r}.", "`springtide keys list` shows their ids.")
        if known.revoked_ms is None:
            known = msgspec.structs.replace(known, revoked_ms=now_ms)
            await keeper.keep(known)
        revoked.append(known)

    _with_registry(options, work)
    if as_json:
        _print_json(_body(revoked[0], now_ms))
        return
    typer.echo(f"{key_id} ({revoked[0].name}) is revoked.")


def _with_registry(options: Options, work: Callable[[Registry, Keeper], Awaitable[None]]) -> None:
    """Does something with what the log has of keys."""
    import asyncio  # noqa: PLC0415

    from springtide.agents.topics import ACCESS  # noqa: PLC0415
    from springtide.app import wiring  # noqa: PLC0415
    from springtide.app.access.registry import Keeper, Registry  # noqa: PLC0415
    from springtide.app.broker.topics import ensure_topics  # noqa: PLC0415
    from springtide.app.engine.kafka_log import KafkaLog  # noqa: PLC0415

    settings = options.settings()
    connection = connection_of(settings)

    async def run() -> None:
        await ensure_topics(connection, [s for s in wiring.topic_specs(settings) if s.name == ACCESS])
        log, keeper = KafkaLog(connection), Keeper(connection)
        await log.start()
        try:
            registry = Registry(log)
            await registry.read()
            await work(registry, keeper)
        finally:
            await keeper.close()
            await log.close()

    asyncio.run(run())


def _expiry_ms(text: str, now_ms: int) -> int:
    from springtide.codecs.times import instant  # noqa: PLC0415

    number, unit = text[:-1], text[-1:]
    if number.isdecimal() and unit in _UNITS_S:
        found = now_ms + int(number) * _UNITS_S[unit] * 1_000
    else:
        try:
            found = instant(text) // 1_000
        except ValueError as error:
            raise CommandError(
                f"--expires {text!r} can't be used: {error}.",
                "Give an instant such as 2027-03-02T06:00:00Z, or a time from now such as 90d, 12h or 30m.",
                status=USAGE,
            ) from None
    if found <= now_ms:
        raise CommandError(f"--expires {text!r} is past.", "Give a later one.", status=USAGE)
    return found


def _body(key: Key, now_ms: int) -> dict[str, Any]:
    """A key as it is shown: without its hash."""
    from springtide.codecs.times import rfc3339  # noqa: PLC0415

    def at(ms: int | None) -> str | None:
        return None if ms is None else rfc3339(ms * 1_000)

    expired = key.expires_ms is not None and key.expires_ms <= now_ms
    return {
        "id": key.id,
        "name": key.name,
        "partner": key.partner,
        "scopes": list(key.scopes),
        "rate_per_s": key.rate_per_s,
        "burst": key.burst,
        "quota_per_day": key.quota_per_day,
        "customers": list(key.customers),
        "channels": list(key.channels),
        "sources": list(key.sources),
        "state": "revoked" if key.revoked_ms is not None else "expired" if expired else "active",
        "created_at": at(key.created_ms),
        "expires_at": at(key.expires_ms),
        "revoked_at": at(key.revoked_ms),
    }


def _print_json(value: Any) -> None:
    import msgspec  # noqa: PLC0415

    typer.echo(msgspec.json.encode(value).decode())


def _print_table(bodies: list[dict[str, Any]]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in ("id", "name", "partner", "scopes", "only", "per s", "a day", "state", "expires"):
        table.add_column(head, overflow="fold", justify="right" if head in ("per s", "a day") else "left")
    for body in bodies:
        quota = body["quota_per_day"]
        table.add_row(
            body["id"],
            body["name"],
            body["partner"],
            " ".join(body["scopes"]),
            " ".join((*body["customers"], *body["channels"], *body["sources"])) or "-",
            f"{body['rate_per_s']:g}",
            "-" if quota is None else f"{quota:,}",
            body["state"],
            body["expires_at"] or "-",
        )
    Console(highlight=False, markup=False).print(table)
