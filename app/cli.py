"""`springtide`: the command line, its commands in the order a newcomer meets them."""

from __future__ import annotations

import typer

from springtide.app.commands import bench, drill, export, keys, loading, processes, reading, simulate, up
from springtide.app.commands.errors import leave
from springtide.app.commands.options import shared

app = typer.Typer(
    name="springtide",
    help="Available-to-promise and order status from event streams: exactly once, explainable, fast.",
    epilog="Settings: SPRINGTIDE_* variables, or springtide.toml. SPRINGTIDE_DEBUG=1 shows tracebacks.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's help takes three times as long to come as the plain one
    context_settings={"help_option_names": ["-h", "--help"]},
)
keys_app = typer.Typer(
    help="Make, list and revoke the keys by which clients ask the HTTP API.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
keys_app.command("create")(shared(keys.create))
keys_app.command("list")(shared(keys.list_keys))
keys_app.command("revoke")(shared(keys.revoke))
export_app = typer.Typer(
    help="Write reports of the running view to files.", no_args_is_help=True, rich_markup_mode=None
)
export_app.command("finance")(shared(export.finance))
export_app.callback()(lambda: None)  # else the one command would be the group
app.command("up")(shared(up.up))
app.command("demo")(shared(up.demo))
app.command("load")(shared(loading.load))
app.command("simulate")(simulate.simulate)
app.command("bench", context_settings=bench.PASSES_ON)(bench.bench)
app.command("drill", context_settings=drill.PASSES_ON)(drill.drill)
app.command("verify")(shared(reading.verify))
app.command("topics")(shared(reading.topics))
app.command("doctor")(shared(reading.doctor))
app.add_typer(keys_app, name="keys")
app.add_typer(export_app, name="export")
app.command("worker", hidden=True)(shared(processes.worker))
app.command("view", hidden=True)(shared(processes.view))
app.command("push", hidden=True)(shared(processes.push))


def main() -> None:
    """Runs the command that the process was started with; exits with 0, 1 for a failure, 2 for wrong usage."""
    try:
        app(prog_name="springtide")
    except Exception as error:  # noqa: BLE001 - whatever it is, a person is to read one clear message
        leave(error)


if __name__ == "__main__":
    main()
