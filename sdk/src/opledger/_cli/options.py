"""Options that several commands have, and the types of their values."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DIGITS: Final = 32
_ID: Final = re.compile(r"[0-9a-f]{4,32}")
_PART: Final = re.compile(r"(\d+)(ms|s|m|h|d)", re.ASCII)
_MAX_DURATION: Final = 366 * _UNITS["d"]
FORMATS: Final = ("table", "json", "jsonl", "id")
STATUSES: Final = ("ACCEPTED", "RUNNING", "COMPLETED", "FAILED")


class Duration(click.ParamType[float]):
    """Such as 90s, 10m, 1h30m or 2d; in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        seconds = _seconds(value)
        if seconds is None:
            self.fail(f"{value!r} is no duration such as 90s, 10m, 1h30m or 2d", param, ctx)
        if seconds > _MAX_DURATION:
            self.fail(f"{value!r} is too long; at most {_MAX_DURATION / _UNITS['d']:.0f}d", param, ctx)
        return seconds


def _seconds(text: str) -> float | None:
    """The seconds of a duration; None if it is none."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


class Moment(click.ParamType[datetime]):
    """A time with a zone, such as 2026-12-24T18:00:00Z, or a duration, which is as long ago."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        ago = _seconds(value)
        try:
            time = datetime.fromisoformat(value) if ago is None else datetime.now(UTC) - timedelta(seconds=ago)  # noqa: TID251
        except OverflowError:
            self.fail(f"{value!r} is too long ago", param, ctx)
        except ValueError:
            self.fail(f"{value!r} is neither a time such as 2026-12-24T18:00:00Z nor a duration such as 2h", param, ctx)
        if time.tzinfo is None:
            self.fail(f"{value!r} has no time zone: add Z, or +01:00", param, ctx)
        try:
            return time.astimezone(UTC)
        except OverflowError:
            self.fail(f"{value!r} is no time between the years 1 and 9999 in UTC", param, ctx)


class Header(click.ParamType[str]):
    """A text that is sent as a header."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if not (text.isascii() and text.isprintable()):
            self.fail(f"{value!r} has other characters than visible ASCII characters and spaces", param, ctx)
        return text


class OperationId(click.ParamType[str]):
    """The id of an operation or its beginning, with or without hyphens, in any case. `ids.resolve` finds the id."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        digits = str(value).replace("-", "").lower()
        if _ID.fullmatch(digits) is None:
            words = "an id has 32 hexadecimal digits, of which the first 4 or more are enough"
            self.fail(f"{value!r} is no operation id: {words}", param, ctx)
        if len(digits) < _DIGITS:
            return digits
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class Label(click.ParamType[tuple[str, str]]):
    """KEY=VALUE."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        key, found, text = value.partition("=")
        if not found or not key:
            self.fail(f"{value!r} is not KEY=VALUE", param, ctx)
        return key, text


DURATION: Final = Duration()
MOMENT: Final = Moment()
LABEL: Final = Label()
HEADER: Final = Header()
OPERATION_ID: Final = OperationId()


def connection(command: _F) -> _F:
    """Which ledger, and with which key."""
    for option in (
        click.option("--timeout", "within", type=DURATION, default="30s", help="Timeout of a call, retries included."),
        click.option("--api-key-file", metavar="FILE", help="File with the API key. Default: OPLEDGER_API_KEY."),
        click.option("--profile", help="A ledger of `opledger profile add`."),
        click.option("--url", help="Address of the ledger, such as https://ledger.example.com."),
    ):
        command = option(command)
    return command


def output(*without: str) -> Callable[[_F], _F]:
    """The form of what is printed: all of FORMATS but those that have no meaning for the command."""
    formats = [one for one in FORMATS if one not in without]

    def add(command: _F) -> _F:
        return click.option(
            "-o", "--output", "form", type=click.Choice(formats), default="table", show_default=True, help="Format."
        )(command)

    return add


def filters(command: _F) -> _F:
    """The filters of lists."""
    for option in (
        click.option("--finished-before", type=MOMENT, help="Only operations that finished before this time."),
        click.option("--finished-after", type=MOMENT, help="Only operations that finished after this time."),
        click.option(
            "--before", "accepted_before", type=MOMENT, help="Only operations that were accepted before this time."
        ),
        click.option(
            "--since",
            "accepted_after",
            type=MOMENT,
            help="Only operations that were accepted after this time, or since 2h, for example.",
        ),
        click.option("--workflow-id", multiple=True, help="Only operations with this workflow id."),
        click.option("--parent", type=OPERATION_ID, multiple=True, help="Only children of this operation."),
        click.option("--origin", multiple=True, help="Only operations of this origin: LEDGER, CLIENT or ADOPTED."),
        click.option(
            "--attention",
            multiple=True,
            help="Only operations that need attention for this reason, such as STALLED.",
        ),
        click.option(
            "--error-code", multiple=True, help="Only operations that failed with this code, such as TIMED_OUT."
        ),
        click.option("-l", "--label", "labels", type=LABEL, multiple=True, help="Only operations with this label."),
        click.option("-t", "--type", "type", help="Only operations of this type."),
        click.option(
            "-s",
            "--status",
            multiple=True,
            type=click.Choice(STATUSES, case_sensitive=False),
            help="Only operations with this status.",
        ),
    ):
        command = option(command)
    return command


def selection(command: _F) -> _F:
    """The operations to act on: ids, or filters with a question."""
    for option in (
        click.option("--yes", "-y", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Show the operations that match the filters, and change none."),
        click.option("--all", "all_of_them", is_flag=True, help="Every operation, instead of filters."),
        filters,
        click.argument("ids", type=OPERATION_ID, nargs=-1, metavar="[ID...]"),
    ):
        command = option(command)
    return command


FILTERS: Final = frozenset(
    {
        *("status", "type", "labels", "error_code", "attention", "origin", "parent", "workflow_id"),
        *("accepted_after", "accepted_before", "finished_after", "finished_before"),
    }
)


def chosen(options: dict[str, Any]) -> dict[str, Any]:
    """Takes the filters that were given out of a command's options."""
    given = {name: options.pop(name) for name in FILTERS & options.keys()}
    given = {name: value for name, value in given.items() if value is not None and value != ()}
    for name, value in given.items():
        if "" in ([value] if isinstance(value, str) else value if isinstance(value, tuple) else ()):
            raise click.UsageError(f"--{name.replace('_', '-')} needs a value")
    if "labels" in given:
        labels = dict(given["labels"])
        if len(labels) < len(set(given["labels"])):
            raise click.UsageError("--label: an operation has one value of each key")
        given["labels"] = labels
    return given
