"""Commands that look and change nothing: topics, doctor, verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from springtide.app.commands.errors import CommandError
from springtide.app.commands.options import AsJson, Options, connection_of, connection_or_none

if TYPE_CHECKING:
    from springtide.app.broker.topics import TopicSpec, TopicState
    from springtide.app.verify import Verdict


AsAsyncApi = Annotated[
    bool,
    typer.Option(
        "--asyncapi", help="Describe topics, events and webhooks as AsyncAPI 3.0 instead; asks no broker."
    ),
]


def topics(options: Options, as_json: AsJson = False, as_asyncapi: AsAsyncApi = False) -> None:
    """List the topics with their partitions, policies and records, and those that are missing."""
    if as_asyncapi:
        from springtide.app.view.contract.asyncapi import asyncapi  # noqa: PLC0415

        _print_json(asyncapi(options.settings()))
        return
    import asyncio  # noqa: PLC0415

    from springtide.app import wiring  # noqa: PLC0415
    from springtide.app.broker.topics import describe_topics  # noqa: PLC0415

    settings = options.settings()
    connection = connection_of(settings)
    specs = wiring.topic_specs(settings)
    states = asyncio.run(describe_topics(connection, [spec.name for spec in specs]))
    rows = _rows(specs, {state.name: state for state in states})
    if as_json:
        _print_json({"broker": connection.bootstrap, "topics": rows})
        return
    _print_table(
        ("topic", "partitions", "policy", "records", ""),
        [
            (
                row["name"],
                f"{row['partitions'] or '-'}",
                row["policy"] or "-",
                "-" if row["records"] is None else f"{row['records']:,}",
                row["problem"],
            )
            for row in rows
        ],
        numbers={1, 3},
    )


def doctor(options: Options, as_json: AsJson = False) -> None:
    """Check Python, broker, topics, disk, limits and clock, and say what to mend. Exit status 1 if one fails."""
    import asyncio  # noqa: PLC0415

    from springtide.app import wiring  # noqa: PLC0415
    from springtide.app.doctor import run_checks  # noqa: PLC0415

    settings = options.settings()
    checks = asyncio.run(
        run_checks(connection_or_none(settings), settings.data_dir, wiring.topic_specs(settings))
    )
    ok = all(check.status != "fail" for check in checks)
    if as_json:
        _print_json({"ok": ok, "checks": checks})
    else:
        colours = {"ok": "green", "warn": "yellow", "fail": "red"}
        _print_table(
            ("", "check", "found"),
            [
                (
                    f"[{colours[check.status]}]{check.status}[/]",
                    check.name,
                    _plain(check.detail) + (f"\n[bold]{_plain(check.mend)}[/]" if check.mend else ""),
                )
                for check in checks
            ],
        )
    if not ok:
        raise typer.Exit(1)


def verify(options: Options, as_json: AsJson = False) -> None:
    """Recompute every projection from the logs alone and prove that nothing is lost, doubled or oversold."""
    import asyncio  # noqa: PLC0415

    settings = options.settings()
    connection = connection_of(settings)
    from springtide.app.commands.verdict import show  # noqa: PLC0415
    from springtide.app.engine.kafka_log import KafkaLog  # noqa: PLC0415
    from springtide.app.verify import verify as prove  # noqa: PLC0415

    async def run() -> Verdict:
        log = KafkaLog(connection)
        await log.start()
        try:
            with _Bar(shown=not as_json) as bar:
                return await prove(log, settings, bar.show)
        finally:
            await log.close()

    try:
        verdict = asyncio.run(run())
    except ValueError as error:
        raise CommandError(
            f"The logs at {connection.bootstrap} can't be read: {error}.",
            "`springtide up` makes all topics; `springtide topics` shows which are there.",
        ) from error
    if as_json:
        _print_json(verdict)
    else:
        show(verdict)
    if not verdict.ok:
        raise typer.Exit(1)


def _rows(specs: list[TopicSpec], states: dict[str, TopicState]) -> list[dict[str, Any]]:
    rows = []
    for spec in specs:
        state = states.get(spec.name)
        problem = ""
        if state is None:
            problem = "missing: `springtide up` makes it"
        elif len(state.partitions) != spec.partitions:
            problem = f"wanted are {spec.partitions} partitions"
        rows.append(
            {
                "name": spec.name,
                "partitions": None if state is None else len(state.partitions),
                "policy": None if state is None else state.cleanup_policy,
                "records": None if state is None else state.records,
                "problem": problem,
            }
        )
    return rows


def _print_json(value: Any) -> None:
    import msgspec  # noqa: PLC0415

    typer.echo(msgspec.json.encode(value).decode())


def _print_table(
    heads: tuple[str, ...], rows: list[tuple[str, ...]], numbers: set[int] | None = None
) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place in (numbers or ()) else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)


def _plain(text: str) -> str:
    """Square brackets of an address are not markup."""
    return text.replace("[", r"\[")


class _Bar:
    """How far the reading of the logs is, on standard error."""

    def __init__(self, *, shown: bool) -> None:
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn  # noqa: PLC0415

        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not shown,
        )
        self._task = self._bars.add_task("reading", total=None)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, what: str, done: int, total: int) -> None:
        self._bars.update(self._task, description=what, completed=done, total=total or None)
