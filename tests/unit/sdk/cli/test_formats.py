"""The formats of output, and tables that fit the terminal."""

import io
import json
import re
import sys
import unicodedata
from datetime import UTC, datetime

import click
import pytest
from rich.live import Live

from domain.operation.operation_error import ErrorCode
from opledger import Operation
from opledger._cli.live import table
from opledger._cli.main import cli
from opledger._cli.options import FORMATS
from opledger._cli.printing import console, one_by_one, print_rows, print_table
from opledger._client.models import Execution, OperationError, OperationStatus
from tests.support.http.api import Api
from tests.support.http.bulk import performing
from tests.unit.sdk.cli.conftest import Run

NO_IDS = {"history", "counts", "durations", "types"}
NO_FORMAT = {"completion", "profile"}
LONG = "デプロイが失敗しました 🚀🚀 " * 12


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


def cells(line: str) -> int:
    """The columns that the line takes on a terminal."""
    return sum(0 if unicodedata.combining(one) else 1 + (unicodedata.east_asian_width(one) in "WF") for one in line)


def plain_lines(out: Terminal) -> list[str]:
    """What was printed, without bold type and movements of the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue()).splitlines()


def operation(kind: str, message: str) -> Operation:
    """A failed operation."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Operation(
        id="01a227c6-ce62-76f9-a22f-0f60d8c49e00",
        type=kind,
        status=OperationStatus.FAILED,
        done=True,
        labels={},
        result=None,
        error=OperationError("TIMED_OUT", message, {}),
        progress=None,
        accepted_at=now,
        started_at=now,
        finished_at=now,
        updated_at=now,
        cancel_requested=None,
        attention=None,
        execution=Execution("w", "LEDGER"),
        version=1,
    )


@pytest.fixture(params=[40, 60, 120])
def terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Terminal, int]:
    """A terminal of each width."""
    made = Terminal()
    monkeypatch.setenv("COLUMNS", str(request.param))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    return made, request.param


@pytest.mark.parametrize("kind", ["operations", "rows", "one by one", "live"])
@pytest.mark.parametrize("text", ["x" * 300, LONG, "e\u0301" * 200, "a" + LONG], ids=["long", "wide", "accents", "odd"])
@pytest.mark.parametrize("name", ["deploy", "d" * 63], ids=["short name", "long name"])
def test_no_line_of_a_table_is_wider_than_the_terminal(
    terminal: tuple[Terminal, int], monkeypatch: pytest.MonkeyPatch, kind: str, text: str, name: str
) -> None:
    """Each CJK character and emoji takes two columns."""
    out, width = terminal
    monkeypatch.setattr(sys, "stdout", out)
    shown = [operation(name, text), operation(name, "boom")]
    if kind == "operations":
        print_table(shown)
    elif kind == "rows":
        print_rows(("NAME", "ACTOR", "WHAT"), [(name, text, text), (name, "夜", "boom")])
    elif kind == "one by one":
        with one_by_one("table") as show:
            show(shown[0])
    else:
        with Live(table(shown, 24), console=console(), auto_refresh=False):
            pass
    lines = plain_lines(out)
    assert lines
    assert max(map(cells, lines)) <= width


def test_columns_stay_in_line_beside_wide_characters(
    terminal: tuple[Terminal, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last column begins at the same place in each row."""
    out, _ = terminal
    monkeypatch.setattr(sys, "stdout", out)
    print_rows(("ACTOR", "X"), [("東京", "!"), ("anna", "!"), ("🚀", "!")])
    assert {cells(line[: line.index("!")]) for line in plain_lines(out)[1:]} == {7}


def test_formats_are_the_same_in_every_command() -> None:
    """Without `id` where there is none, and without `json` where the array would have no end."""
    for name, command in cli.commands.items():
        [formats] = [
            tuple(one.type.choices)
            for one in command.params
            if one.name == "form" and isinstance(one.type, click.Choice)
        ] or [()]
        without = {"id"} if name in NO_IDS else {"json"} if name == "watch" else set()
        expected = () if name in NO_FORMAT else tuple(one for one in FORMATS if one not in without)
        assert formats == expected, name


async def test_every_command_prints_its_formats(run: Run, api: Api) -> None:
    """`json` is one document, `jsonl` a document a line, `id` the ids."""
    made = (await api.submit())["id"]
    await api.complete(made, None)
    commands = {
        "get": ("get", made),
        "list": ("list",),
        "history": ("history", made),
        "counts": ("counts",),
        "durations": ("durations", "deploy"),
        "types": ("types",),
        "wait": ("wait", made),
        "keep": ("keep", made),
        "dry run": ("retry", "--all", "--dry-run"),
        "start": ("start", "deploy"),
    }
    for name, words in commands.items():
        document = await run(*words, "-o", "json")
        lines = await run(*words, "-o", "jsonl")
        assert (document.code, lines.code) == (0, 0), name
        json.loads(document.out)
        assert [json.loads(line) for line in lines.out.splitlines()], name
        if name not in NO_IDS:
            [shown, *_] = (await run(*words, "-o", "id")).out.split()
            assert len(shown) == len(made), name
    assert json.loads((await run("wait", made, "-o", "json")).out)[0]["id"] == made
    assert json.loads((await run("delete", made, "-o", "json")).out) == []
    assert (await run("profile", "add", "x", "--url", "http://x")).code == 0
    shown_profiles = json.loads((await run("profile", "list", "-o", "json")).out)
    assert shown_profiles == [{"name": "x", "url": "http://x", "api_key_file": None}]


async def test_array_of_a_wait_ends_when_the_time_is_over(run: Run, api: Api) -> None:
    """It has those that were done."""
    good, open_one = [(await api.submit())["id"] for _ in range(2)]
    await api.complete(good, None)
    late = await run("wait", good, open_one, "--for", "50ms", "-o", "json")
    assert late.code == 124
    assert [one["id"] for one in json.loads(late.out or "[]")] in ([good], [])


async def test_watch_and_bulk_print_formats(run: Run, api: Api) -> None:
    """The id at each change; the targets as an array."""
    made = (await api.submit())["id"]
    await api.fail(made, ErrorCode.TIMED_OUT)
    assert {*(await run("watch", made, "-o", "id")).out.split()} == {made}
    async with performing(api):
        ended = await run("retry", "--all", "--yes", "-o", "json")
    assert [one["operation_id"] for one in json.loads(ended.out)] == [made]
