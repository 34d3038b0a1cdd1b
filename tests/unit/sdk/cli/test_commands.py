"""Every command of the client, on the real application on memory adapters."""

import asyncio
import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.operation.operation_error import ErrorCode
from opledger._cli.exit_codes import ExitCode
from opledger._cli.printing import length_that_tells_apart
from tests.support.eventually import eventually
from tests.support.http.api import Api
from tests.support.http.bulk import performing
from tests.support.pages import block, text
from tests.unit.sdk.cli.conftest import Run

MISSING = "01a227c6-ce62-76f9-a22f-0f60d8c49e00"


async def test_start_submits_and_prints(run: Run, api: Api, tmp_path: Path) -> None:
    """The input from options, a text, or a file; as a table, JSON or the id."""
    (tmp_path / "input.json").write_text('{"machine": "m2"}')
    table = await run("start", "reboot", "-i", "machine=m1", "-i", "seconds=3", "-l", "team=a")
    assert (table.code, table.err) == (0, "")
    assert "reboot" in table.out
    assert "ACCEPTED" in table.out
    made = json.loads((await run("start", "reboot", "--input", f"@{tmp_path}/input.json", "-o", "json")).out)
    assert made["input"] == {"machine": "m2"}
    ident = (await run("start", "reboot", "--input", '{"machine": "m3"}', "-i", "seconds=4", "-o", "id")).out.strip()
    shown = (await run("get", ident, "-o", "json")).out
    assert json.loads(shown)["input"] == {"machine": "m3", "seconds": 4}


async def test_start_with_keep(run: Run) -> None:
    """Retention spares the operation."""
    assert json.loads((await run("start", "deploy", "--keep", "-o", "json")).out)["keep"] is True
    assert json.loads((await run("start", "deploy", "-o", "json")).out)["keep"] is False


async def test_refusal_names_the_field(run: Run) -> None:
    """On standard error, with exit code 1."""
    ended = await run("start", "reboot", "-i", "seconds=soon")
    assert (ended.code, ended.out) == (1, "")
    several = [
        "2 errors",
        "/input/seconds: input.seconds must be of type integer",
        "/input/machine: input.machine is required",
    ]
    assert ended.err == "opledger: 422: " + "\n  ".join(several) + "\n"
    one = await run("start", "reboot", "--input", '{"machine": 7}')
    assert one.err == "opledger: 422: /input/machine: input.machine must be of type string\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["start"], "Missing argument 'TYPE'"),
        (["start", "deploy", "--input", "{"], "--input is not JSON"),
        (["start", "deploy", "--input", "7", "-i", "a=1"], "-i adds fields to an object"),
        (["start", "deploy", "-l", "team"], "is not KEY=VALUE"),
        (["list", "--since", "yesterday"], "is neither a time"),
        (["list", "--since", "2026-01-01T00:00:00"], "has no time zone"),
        (["wait", "--for", "soon", MISSING], "is no duration"),
        (["watch", MISSING, "--status", "FAILED"], "an ID or filters"),
        (["get", "nonsense"], "'nonsense' is no operation id: an id has 32 hexadecimal digits"),
        (["cancel", MISSING + "0"], "32 hexadecimal digits"),
        (["list", "--parent", "7"], "32 hexadecimal digits"),
        (["cancel"], "give IDs, filters, or --all"),
        (["cancel", MISSING, "--status", "RUNNING"], "IDs or filters, not both"),
        (["delete", MISSING, "--all"], "IDs or filters, not both"),
        (["delete", "--all", "-t", "deploy"], "without filters"),
        (["retry", MISSING, "--dry-run"], "--dry-run is for filters"),
        (["retry", "-t", "deploy", "--input", "7", "--yes"], "--input is for IDs"),
        (["acknowledge", "-t", "deploy"], "without a terminal, give --yes, or --dry-run"),
        (["retry", MISSING, "--reason", "x"], "--reason is for filters"),
        (["delete", MISSING, "--reason", "x"], "--reason is for filters"),
        (["nonsense"], "No such command"),
        (["start", "deploy", "-i", "x=NaN"], "'-i': x: NaN is not a JSON number; as a text: 'x=\"NaN\"'"),
        (["start", "deploy", "-i", "x=[-Infinity]"], "'-i': x: -Infinity is not a JSON number"),
        (["start", "deploy", "-i", "x=1e999"], "'-i': x: 1e999 is too large for a number"),
        (["start", "deploy", "-i", "x=" + 100_000 * "["], "it is nested too deeply"),
        (["start", "deploy", "-i", "x=" + 5_000 * "9"], "'-i': "),
        (["start", "deploy", "-i", 'x="\\ud800"'], "the input has a text that is not Unicode"),
        (["start", "deploy", "--input", "[1e999]"], "--input is not JSON: 1e999 is too large for a number"),
        (["start", "deploy", "--input", "NaN"], "--input is not JSON: NaN is not a JSON number"),
        (["start", "deploy", "--input", 100_000 * "["], "--input is not JSON: it is nested too deeply"),
        (["retry", MISSING, "--input", "[NaN]"], "--input is not JSON: NaN is not a JSON number"),
        (["start", "deploy", "--delay", "367d"], "'--delay': '367d' is too long; at most 366d"),
        (["start", "deploy", "--delay", 5_000 * "9" + "d"], "is too long; at most 366d"),
        (
            ["start", "deploy", "--idempotency-key", "é"],
            "'--idempotency-key': 'é' has other characters",
        ),
        (["wait", MISSING, "--for", "99999999999d"], "'--for': '99999999999d' is too long; at most 366d"),
        (["list", "--timeout", "99999999999d"], "'--timeout': '99999999999d' is too long; at most 366d"),
        (["list", "-n", 30 * "9"], "is not in the range"),
        (["list", "-n", "nan"], "is not a valid integer"),
        (["list", "--since", 5_000 * "9" + "d"], "is too long ago"),
        (["list", "--since", "0001-01-01T00:00:00+14:00"], "is no time between the years 1 and 9999 in UTC"),
        (["list", "--since", "10000-01-01T00:00:00Z"], "is neither a time"),
    ],
)
async def test_wrong_use_is_exit_code_2(run: Run, words: list[str], says: str) -> None:
    """And says what is wrong."""
    ended = await run(*words)
    assert ended.code == 2
    assert says in ended.err


async def test_argument_that_is_no_text_is_an_error(run: Run) -> None:
    """A shell passes on any byte."""
    ended = await run("start", "deploy", "-l", "team=\udcff")
    assert (ended.code, ended.err) == (1, "opledger: an argument is not UTF-8\n")


async def test_text_that_looks_like_a_number_is_quoted(run: Run) -> None:
    """As the error says."""
    made = await run("start", "deploy", "-i", 'x="NaN"', "-i", "y=NaNa", "-i", "z=1e3", "-o", "json")
    assert (made.code, made.err) == (0, "")
    assert json.loads(made.out)["input"] == {"x": "NaN", "y": "NaNa", "z": 1000.0}


async def test_list_filters_and_formats(run: Run, api: Api) -> None:
    """All pages, or as many as asked for."""
    ids = [(await api.submit(labels={"n": str(number)}))["id"] for number in range(3)]
    await api.fail(ids[0], ErrorCode.TIMED_OUT)
    assert (await run("list", "-o", "id")).out.split() == ids[::-1]
    assert (await run("list", "-n", "1", "-o", "id")).out.split() == ids[2:]
    assert (await run("list", "-l", "n=1", "-o", "id")).out.split() == [ids[1]]
    assert (await run("list", "-s", "failed", "--since", "2000d", "-o", "id")).out.split() == [ids[0]]
    assert [one["id"] for one in json.loads((await run("list", "-o", "json")).out)] == ids[::-1]
    lines = (await run("list", "-o", "jsonl")).out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ids[::-1]
    table = (await run("list", "--error-code", "TIMED_OUT")).out
    assert "✗ FAILED" in table
    assert "TIMED_OUT: boom" in table
    assert "\x1b" not in table
    assert json.loads((await run("list", "--label", "n=7", "-o", "json")).out) == []


@pytest.mark.parametrize("code", ErrorCode)
async def test_get_says_first_what_went_wrong(run: Run, api: Api, code: ErrorCode) -> None:
    """Then why it is believed, then what to do."""
    made = (await api.submit(input={"machine": "m1"}))["id"]
    await api.fail(made, code)
    shown = (await run("get", made)).out.splitlines()
    assert shown[0].startswith("FAILED")
    assert shown[0].endswith(f"{code}: boom")
    assert shown[1].startswith("known from a report of the workflow at ")
    assert "retry" in shown[2]
    assert 'input      {"machine": "m1"}' in shown


async def test_exit_codes_tell_errors_apart(run: Run, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """5: not found; 1: no ledger."""
    assert (await run("get", MISSING)).code == 5
    made = (await api.submit())["id"]
    assert (await run("get", made.replace("-", "").upper())).code == 0
    monkeypatch.setenv("OPLEDGER_URL", "http://127.0.0.1:1")
    away = await run("counts", "--timeout", "100ms")
    assert away.code == 1
    assert "http://127.0.0.1:1 is not available" in away.err


async def test_ids_may_be_shortened(run: Run, api: Api) -> None:
    """In every command. What several ids begin with is refused before anything is done."""
    first = (await api.submit())["id"]
    api.clock.advance(timedelta(minutes=2))
    others = [(await api.submit(parent_id=first))["id"] for _ in range(7)]
    short = first[:8].upper()
    assert json.loads((await run("get", short, "-o", "json")).out)["id"] == first
    assert len((await run("history", short, "-o", "jsonl")).out.splitlines()) == 1
    assert (await run("list", "--parent", short, "-o", "id")).out.split() == others[::-1]
    made = (await run("start", "deploy", "--parent", short, "-o", "id")).out.strip()
    assert json.loads((await run("get", made, "-o", "json")).out)["parent_id"] == first
    assert (await run("cancel", "--parent", short, "--dry-run", "-o", "id")).out.split() == [*others, made]
    ambiguous = await run("cancel", first, others[0][:8])
    assert (ambiguous.code, ambiguous.out) == (2, "")
    title, *lines, more = ambiguous.err.splitlines()[-7:]
    assert title.endswith(f"begin with {others[0][:8]}; give more digits:")
    assert [line.split()[:3] for line in lines] == [[one, "deploy", "○"] for one in [made, *others[:2:-1]]]
    assert more.strip() == "and more"
    assert (await run("keep", "ffff", short, "-o", "id")).out.split() == [first]
    missing = await run("get", "ffff")
    assert (missing.code, missing.err) == (5, "opledger: 404: no operation has an id that begins with ffff\n")
    await api.complete(first, None)
    assert (await run("wait", short)).code == (await run("watch", short)).code == 0


@pytest.mark.parametrize(
    ("ids", "length"),
    [
        ([], 13),
        ([MISSING], 13),
        ([MISSING, MISSING], 13),
        ([MISSING, f"{MISSING[:20]}f{MISSING[21:]}"], 21),
        ([f"{MISSING[:-1]}{last}" for last in "7a0"], 36),
    ],
)
def test_shown_ids_are_as_long_as_needed_to_tell_them_apart(ids: list[str], length: int) -> None:
    """At least as long as their time."""
    assert length_that_tells_apart(ids) == length


async def test_history_counts_and_types(run: Run, api: Api) -> None:
    """As tables and as JSON."""
    made = (await api.submit())["id"]
    await api.complete(made, None)
    table = (await run("history", made)).out.splitlines()
    assert [line.split()[2] for line in table[1:]] == ["ACCEPTED", "RUNNING", "COMPLETED"]
    assert len((await run("history", made, "-o", "jsonl")).out.splitlines()) == 3
    assert "deploy" in (await run("counts")).out
    assert json.loads((await run("counts", "-o", "json")).out)["by_status"]["COMPLETED"] == 1
    assert "machine, seconds" in (await run("types")).out


async def test_wait_tells_the_outcome(run: Run, api: Api) -> None:
    """0: completed; 3: failed; 124: the time is over."""
    good, bad, open_one = [(await api.submit())["id"] for _ in range(3)]
    await api.complete(good, None)
    await api.fail(bad, ErrorCode.CANCELED)
    assert (await run("wait", good)).code == 0
    ended = await run("wait", good, bad, "-o", "id")
    assert ended.code == 3
    assert set(ended.out.split()) == {good, bad}
    assert (await run("wait", "--any", open_one, good)).code == 0
    late = await run("wait", open_one, "--for", "50ms")
    assert late.code == 124
    assert "the operations go on" in late.err


async def test_start_and_wait(run: Run, api: Api) -> None:
    """The exit code is that of the outcome."""
    running = asyncio.create_task(run("start", "deploy", "--wait"))
    [made] = await eventually(lambda: [*api.store.queries("default")._rows()])
    await api.fail(str(made.id), ErrorCode.TIMED_OUT)
    assert (await running).code == 3


async def test_watch_of_one_prints_its_changes(run: Run, api: Api) -> None:
    """Until it is done."""
    made = (await api.submit())["id"]
    await api.complete(made, None)
    ended = await run("watch", made)
    assert ended.code == 0
    assert ended.out.startswith("COMPLETED")


async def test_cancel_retry_and_delete(run: Run, api: Api) -> None:
    """Several at once; a refused one does not stop the others."""
    first, second = [(await api.submit(delay="1h"))["id"] for _ in range(2)]
    ended = await run("cancel", first, MISSING, second, "--reason", "wrong", "-o", "id")
    assert ended.code == 5
    assert ended.out.split() == [first, second]
    assert MISSING in ended.err
    again = (await run("retry", first, "--input", "7", "-o", "id")).out.strip()
    assert json.loads((await run("get", again, "-o", "json")).out)["input"] == 7
    assert (await run("delete", second)).code == 0
    assert (await run("get", second)).code == 5
    assert (await run("retry", again)).code == 1


async def test_keep_acknowledge_and_durations(run: Run, api: Api) -> None:
    """Of single operations."""
    made = (await api.submit())["id"]
    await api.trouble(made)
    assert (await run("keep", made)).code == 0
    assert json.loads((await run("get", made, "-o", "json")).out)["keep"] is True
    assert (await run("keep", made, "--off", "-o", "id")).out.split() == [made]
    assert json.loads((await run("get", made, "-o", "json")).out)["keep"] is False
    assert "DISPATCH_RETRYING" in (await run("get", made)).out
    assert (await run("acknowledge", made, "--reason", "known")).code == 0
    assert json.loads((await run("get", made, "-o", "json")).out)["attention"] is None
    assert "known" in (await run("history", made)).out
    await api.complete(made, None)
    table = (await run("durations", "deploy", "--since", "2000d", "--before", "2100-01-01T00:00:00Z")).out.splitlines()
    assert [line.split()[:2] for line in table[1:]] == [["COMPLETED", "1"], ["FAILED", "0"]]
    shown = json.loads((await run("durations", "deploy", "-o", "json")).out)
    assert shown["by_status"]["FAILED"]["count"] == 0


async def test_profiles(run: Run, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By name, and the one named default. Keys stay in their files."""
    monkeypatch.delenv("OPLEDGER_URL")
    monkeypatch.chdir(tmp_path)
    assert (await run("profile", "add", "default", "--url", "http://127.0.0.1:1")).code == 0
    assert (await run("counts", "--timeout", "50ms")).code == 1
    (tmp_path / "key").write_text("opl_secret\n")
    assert (await run("profile", "add", "here", "--url", url, "--api-key-file", "key")).code == 0
    assert (await run("counts", "--profile", "here")).code == 0
    assert "here" in (await run("profile", "list")).out
    assert "secret" not in (tmp_path / "profiles.json").read_text()
    assert (await run("profile", "remove", "here")).code == 0
    ended = await run("counts", "--profile", "here")
    assert (ended.code, "the profiles are: default" in ended.err) == (1, True)
    for url_of_no_ledger in ("ftp://x", ""):
        assert (await run("profile", "add", "x", "--url", url_of_no_ledger)).code == 2
    for empty in ("--url", "--profile"):
        ended = await run("counts", empty, "")
        assert (ended.code, f"{empty[2:]}: empty" in ended.err) == (1, True)


async def test_local_ledger_is_found(run: Run, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By the data folder of `opledger up`."""
    monkeypatch.delenv("OPLEDGER_URL")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".opledger").mkdir()
    (tmp_path / ".opledger" / "run.json").write_text(json.dumps({"api_url": url}))
    assert (await run("counts")).code == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_completion(run: Run, shell: str) -> None:
    """A script for each shell."""
    assert "_OPLEDGER_COMPLETE" in (await run("completion", shell)).out


async def test_commands_of_the_page(run: Run, api: Api) -> None:
    """docs/command-line.md, with the operation of the test in the place of its id."""
    for name in ("first", "scripts"):
        for line in block("docs/command-line.md", name).splitlines():
            made = (await api.submit())["id"]
            if " wait " in line or " retry " in line:
                await api.complete(made, None)
            ended = await run(*shlex.split(line.replace(MISSING, made))[1:])
            assert (ended.code, ended.err) == (0, ""), line


async def test_bulk_commands_of_the_page(run: Run, api: Api) -> None:
    """In their order: the later ones act on what the earlier ones have made."""
    api.clock.advance(datetime.now(UTC) - api.clock.now())
    for _ in range(2):
        await api.submit(labels={"team": "infra"})
    async with performing(api):
        for line in block("docs/command-line.md", "bulk").splitlines():
            ended = await run(*shlex.split(line)[1:])
            assert ended.code == 0, line
            assert len(ended.out.splitlines()) >= 1, line


def test_exit_codes_of_the_page_are_those_of_the_program() -> None:
    """All but that of wrong use, which is click's."""
    shown = {int(code) for code in re.findall(r"^\| (\d+) \|", text("docs/command-line.md"), re.M)}
    assert shown == {*map(int, ExitCode), 2}
