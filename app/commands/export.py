"""`export`: what finance takes elsewhere, asked of the running view and written to a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from springtide.app.commands.errors import USAGE, CommandError
from springtide.app.commands.options import Options

if TYPE_CHECKING:
    from http.client import HTTPResponse

Format = Literal["csv", "parquet", "json"]
Report = Literal["reconciliation", "mismatches"]
KEY_VARIABLE: Final = "SPRINGTIDE_API_KEY"
_CHUNK_BYTES: Final = 64 << 10
_PAGE: Final = 500
_SILENT_S: Final = 120.0
_PART: Final = ".part"

Get = Callable[[str, dict[str, str]], "HTTPResponse"]


def finance(
    options: Options,
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="Orders placed in it, in UTC.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Written whole, or not at all.")],
    form: Annotated[Format, typer.Option("--format", help="How it is written.")] = "csv",
    report: Annotated[
        Report, typer.Option(help="The month in sums, or each line on which invoices and shipments disagree.")
    ] = "reconciliation",
    by: Annotated[str, typer.Option(metavar="NAMES", help="Of the sums: region, channel, both or ''.")] = (
        "region,channel"
    ),
    view: Annotated[
        str | None, typer.Option(metavar="URL", help="Another view than that of the data folder.")
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help=f"Holds an API key; or set {KEY_VARIABLE}.")
    ] = None,
) -> None:
    """Write a month's reconciliation of shipments and invoices, or where they disagree, to a file."""
    get = _asks(_view_of(options, view), _key(api_key_file))
    if report == "reconciliation":
        query = {"month": month, "by": by, "format": form}
        parts = _body(get("/v1/finance/reconciliation", {name: text for name, text in query.items() if text}))
    else:
        period = _period(month)
        if form == "json":
            parts = _pages(get, period)
        else:
            parts = _body(get("/v1/finance/mismatches", {**period, "format": form}))
    written = _write(out, parts)
    typer.echo(f"{out}: {report} of {month}, {written:,} bytes")


def _view_of(options: Options, view: str | None) -> str:
    from springtide.app.up.instance import find  # noqa: PLC0415

    if view is not None:
        return view.rstrip("/")
    settings = options.settings()
    running = find(settings.data_dir)
    if running is None or running.view is None:
        raise CommandError(
            f"No view runs on the data folder {settings.data_dir.absolute()}.",
            "Start `springtide up` in another terminal, name the folder of one that runs with --data DIR, or a view "
            "with --view URL.",
        )
    return running.view.rstrip("/")


def _key(path: Path | None) -> str | None:
    if path is None:
        return os.environ.get(KEY_VARIABLE)
    try:
        return path.read_text().strip()
    except OSError as error:
        raise CommandError(
            f"The key file {path} can't be read: {error.strerror}.", "Correct its path.", status=USAGE
        ) from None


def _period(month: str) -> dict[str, str]:
    from springtide.app.view import parameters  # noqa: PLC0415
    from springtide.app.view.problems import Problem  # noqa: PLC0415
    from springtide.tables.calendar import iso  # noqa: PLC0415

    try:
        asked = parameters.month({"month": month}, "month")
    except Problem as problem:
        raise CommandError(str(problem), "Correct --month.", status=USAGE) from None
    return {"from": iso(asked.first_day), "to": iso(asked.following.first_day - 1)}


# --- asking ---


def _asks(url: str, key: str | None) -> Get:
    from urllib.error import HTTPError  # noqa: PLC0415
    from urllib.parse import urlencode, urlsplit  # noqa: PLC0415
    from urllib.request import Request, urlopen  # noqa: PLC0415

    if urlsplit(url).scheme not in ("http", "https"):
        raise CommandError(f"'{url}' is no address of a view.", "Write http://HOST:PORT.", status=USAGE)

    def get(path: str, query: dict[str, str]) -> HTTPResponse:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        request = Request(f"{url}{path}?{urlencode(query)}", headers=headers)  # noqa: S310 - checked above
        try:
            response: HTTPResponse = urlopen(request, timeout=_SILENT_S)  # noqa: S310
        except HTTPError as error:
            with error:
                raise _refused(error.code, error.read()) from None
        except OSError as error:
            raise CommandError(
                f"The view at {url} does not answer: {error}.", "See that it runs, and the address."
            ) from None
        return response

    return get


def _refused(status: int, body: bytes) -> CommandError:
    import msgspec  # noqa: PLC0415

    try:
        detail = str(msgspec.json.decode(body, type=dict[str, Any])["detail"])
    except (msgspec.DecodeError, KeyError):
        detail = f"The view answers {status}."
    if status in (401, 403):
        step = (
            "Make a key with `springtide keys create finance --scope finance:read`, and give it by --api-key-file or "
            f"{KEY_VARIABLE}."
        )
        return CommandError(detail, step)
    return CommandError(detail, "Correct what was asked, or ask again.", status=USAGE if status == 400 else 1)


def _body(response: HTTPResponse) -> Iterator[bytes]:
    with response:
        while part := response.read1(_CHUNK_BYTES):
            yield part


def _pages(get: Get, query: dict[str, str]) -> Iterator[bytes]:
    """All pages as one JSON object."""
    import msgspec  # noqa: PLC0415

    cursor: str | None = None
    begin = b'{"mismatches":['
    while True:
        more = {} if cursor is None else {"cursor": cursor}
        with get("/v1/finance/mismatches", {**query, "limit": str(_PAGE), **more}) as response:
            page = msgspec.json.decode(response.read(), type=dict[str, Any])
        found = page["mismatches"]
        if found:
            yield begin + msgspec.json.encode(found)[1:-1]
            begin = b","
        cursor = page["cursor"]
        if cursor is None:
            yield (begin if begin != b"," else b"") + b"]}\n"
            return


# --- writing ---


def _write(out: Path, parts: Iterator[bytes]) -> int:
    """Beside it first, so that there is never half a file under its name."""
    from http.client import HTTPException  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        DownloadColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    bars = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        DownloadColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    beside = out.with_name(out.name + _PART)
    written = 0
    try:
        with bars, beside.open("wb") as file:
            task = bars.add_task(f"writing {out.name}", total=None)
            for part in parts:
                written += file.write(part)
                bars.update(task, completed=written)
        beside.replace(out)
    except (HTTPException, ConnectionError, TimeoutError) as error:
        raise CommandError(
            f"The view broke off after {written:,} bytes: {error!r}.", "Ask again; its log says why."
        ) from None
    finally:
        beside.unlink(missing_ok=True)
    return written
