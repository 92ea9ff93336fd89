"""Options that many commands share: where the data lies, and which broker."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from springtide.app.commands.errors import USAGE, CommandError

if TYPE_CHECKING:
    from springtide.app.broker.connection import BrokerConnection
    from springtide.app.settings import Settings

_PANEL: Final = "Broker and data"

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@dataclass(frozen=True, slots=True)
class Options:
    """What was given; the rest comes from the environment, the file and the defaults of `Settings`."""

    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Data folder.", rich_help_panel=_PANEL),
    ] = None
    broker: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="A Kafka that is there, or several with commas.", rich_help_panel=_PANEL
        ),
    ] = None
    security_protocol: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.", rich_help_panel=_PANEL
        ),
    ] = None
    ca_file: Annotated[
        Path | None, typer.Option(metavar="PEM", help="To trust the broker by.", rich_help_panel=_PANEL)
    ] = None
    cert_file: Annotated[
        Path | None, typer.Option(metavar="PEM", help="To be known by.", rich_help_panel=_PANEL)
    ] = None
    key_file: Annotated[
        Path | None, typer.Option(metavar="PEM", help="The certificate's key.", rich_help_panel=_PANEL)
    ] = None
    sasl_mechanism: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512.", rich_help_panel=_PANEL),
    ] = None
    sasl_username: Annotated[str | None, typer.Option(metavar="NAME", rich_help_panel=_PANEL)] = None
    sasl_password_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A file that holds the password; or set SPRINGTIDE_SASL_PASSWORD.",
            rich_help_panel=_PANEL,
        ),
    ] = None

    def settings(self, **more: object) -> Settings:
        """The settings with what was given on top, and logging set up for a command.

        Raises SettingsError or CommandError.
        """
        from springtide.app.logs import configure  # noqa: PLC0415
        from springtide.app.settings import load  # noqa: PLC0415

        settings = load(
            data_dir=self.data,
            broker=self.broker,
            security_protocol=self.security_protocol,
            ca_file=self.ca_file,
            cert_file=self.cert_file,
            key_file=self.key_file,
            sasl_mechanism=self.sasl_mechanism,
            sasl_username=self.sasl_username,
            sasl_password=None if self.sasl_password_file is None else _secret(self.sasl_password_file),
            **more,
        )
        configure(settings.log_level, json=False)
        return settings


def connection_or_none(settings: Settings) -> BrokerConnection | None:
    """The broker that is configured, else that of the stack that runs on the data folder, else None."""
    from springtide.app.up.instance import find  # noqa: PLC0415

    if settings.broker is not None:
        return settings.connection()
    running = find(settings.data_dir)
    if running is None:
        return None
    if running.local:
        return settings.connection(running.broker)
    # It was given a broker on its command line; how to sign in there is not written down.
    return settings.model_copy(update={"broker": running.broker}).connection()


def connection_of(settings: Settings) -> BrokerConnection:
    """The same; raises CommandError if there is none."""
    found = connection_or_none(settings)
    if found is None:
        raise CommandError(
            f"Nothing runs on the data folder {settings.data_dir.absolute()}, and no broker is named.",
            "Start `springtide up` (or `springtide demo`) in another terminal, name the folder of one that runs "
            "with --data DIR, or a broker with --broker HOST:PORT.",
        )
    return found


def shared(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command whose first parameter is an `Options` the options of that class, after its own."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    types = inspect.get_annotations(Options, eval_str=True)
    theirs = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=types[field.name]
        )
        for field in fields(Options)
    ]

    def wrapped(**given: Any) -> Any:
        options = Options(**{parameter.name: given.pop(parameter.name) for parameter in theirs})
        return command(options, **given)

    parameters = [*(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own), *theirs]
    wrapped.__name__, wrapped.__doc__ = command.__name__, command.__doc__
    wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapped


def _secret(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError as error:
        raise CommandError(
            f"The password file {path} can't be read: {error.strerror}.", "Correct its path.", status=USAGE
        ) from None
