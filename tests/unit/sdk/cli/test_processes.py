"""The program in processes of its own: pipes, signals, and what it imports."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest

from tests.support.eventually import eventually
from tests.support.http.api import Api

COMMAND = (sys.executable, "-m", "opledger._cli.main")


def modules_after(*words: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Runs the command in a new interpreter. Returns how it ended, and the modules that are imported at its end."""
    program = (
        "import atexit, sys; from opledger._cli.main import main; "
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main()"
    )
    ended = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    return ended, {*ended.stderr.splitlines()[-1].split()}


def read_all(terminal: int) -> str:
    """Reads what programs write to the terminal until the last one has closed it, so that none waits for room."""
    shown = b""
    try:
        while True:
            shown += os.read(terminal, 10_000)
    except OSError:  # EIO: all have closed it
        os.close(terminal)
        return shown.decode()


def test_help_imports_no_client_and_no_framework() -> None:
    """It is shown at once, with the commands of the service."""
    ended, modules = modules_after("--help")
    assert "\n  doctor " in ended.stdout
    unneeded = {"httpx", "msgspec", "rich", "asyncio", "temporalio", "litestar", "sqlalchemy"}
    assert unneeded & modules == set()


async def test_client_command_imports_no_more_than_the_client(api: Api, url: str) -> None:
    """Neither the commands of the service, nor the command line of httpx, nor what reads the metadata of packages."""
    made = (await api.submit())["id"]
    ended, modules = await asyncio.to_thread(modules_after, "get", made)
    assert (ended.returncode, ended.stdout[:8]) == (0, "ACCEPTED")
    unneeded = {"entrypoints", "importlib.metadata", "httpx._main", "httpx_sse", "rich", "pygments", "temporalio"}
    assert unneeded & modules == set()
    assert len(modules) < 360  # 307 on Python 3.11; 417 with all of these


def test_command_of_the_service_is_found() -> None:
    """An unknown one is not."""
    assert "Check settings, database and Temporal." in modules_after("doctor", "--help")[0].stdout
    unknown, _ = modules_after("dokter")
    assert (unknown.returncode, "No such command 'dokter'" in unknown.stderr) == (2, True)


async def test_closed_pipe_ends_a_list_quietly(api: Api, url: str) -> None:
    """As in `opledger list | head -1`: many lines are left, and nothing is on standard error."""
    for number in range(300):
        await api.submit(input="x" * 1000 + str(number))
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "list", "-o", "jsonl", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    await process.stdout.readline()
    process.stdout._transport.close()  # type: ignore[attr-defined]
    said = await process.stderr.read()
    assert (await process.wait(), said) == (1, b"")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("wait {id}", "the operations go on"),
        ("start deploy --wait", "the operations go on"),
        ("watch {id}", "the operation goes on"),
        ("cancel --all --yes", "the action goes on. To stop it: opledger cancel "),
    ],
    ids=["wait", "start", "watch", "bulk"],
)
async def test_interrupted_command_says_what_goes_on(api: Api, url: str, words: str, said: str) -> None:
    """Exit code 130, and no traceback."""
    made = (await api.submit())["id"]
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *words.format(id=made).split(), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    await eventually(lambda: not api.waiters.empty, "the command has its stream")
    process.send_signal(signal.SIGINT)
    *_, last = (await process.stderr.read()).decode().splitlines()
    assert await process.wait() == 130
    assert last.startswith(f"opledger: interrupted; {said}")


async def test_input_is_read_from_standard_input(api: Api, url: str) -> None:
    """`--input -`."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "start", "deploy", "--input", "-", "-o", "json"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate(b'{"machine": "m1"}\n')
    assert process.returncode == 0
    assert json.loads(printed)["input"] == {"machine": "m1"}


@pytest.mark.parametrize(("number", "bar"), [(2, ""), (11, "11 operations")], ids=["a bar each", "one bar"])
async def test_data_stays_on_standard_output_beside_bars(api: Api, url: str, number: int, bar: str) -> None:
    """Where standard error is a terminal and standard output a file."""
    made = [(await api.submit())["id"] for _ in range(number)]
    for done in made[:-1]:
        await api.complete(done, None)
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "wait", *made, "-o", "id", stdout=asyncio.subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    reading = asyncio.create_task(asyncio.to_thread(read_all, ours))
    assert process.stdout is not None
    printed = [(await process.stdout.readline()).decode().strip() for _ in made[:-1]]
    assert {*printed} == {*made[:-1]}
    await api.complete(made[-1], None)
    assert (await process.stdout.read()).decode().strip() == made[-1]
    assert await process.wait() == 0
    shown = await reading
    assert "━" in shown
    assert bar in shown


@pytest.mark.parametrize("no_colour", ["", "1"])
async def test_terminal_gets_colours_unless_they_are_unwanted(api: Api, url: str, no_colour: str) -> None:
    """`NO_COLOR`, https://no-color.org. Lines fit the terminal."""
    made = (await api.submit(labels={"n": "1"}))["id"]
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "60"} | ({"NO_COLOR": "1"} if no_colour else {})
    process = await asyncio.create_subprocess_exec(*COMMAND, "list", stdout=theirs, env=environment)
    os.close(theirs)
    await process.wait()
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert ("\x1b[36m" in shown) == (not no_colour)
    assert f"{made[:13]}  deploy" in shown
