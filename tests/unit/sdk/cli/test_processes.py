"""The program in processes of its own: pipes, signals, and what it imports."""

import asyncio
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


async def test_interrupted_wait_says_that_the_operation_goes_on(api: Api, url: str) -> None:
    """Exit code 130."""
    made = (await api.submit())["id"]
    process = await asyncio.create_subprocess_exec(*COMMAND, "wait", made, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    await eventually(lambda: not api.waiters.empty, "the wait has its stream")
    process.send_signal(signal.SIGINT)
    said = await process.stderr.read()
    assert (await process.wait(), said) == (130, b"opledger: interrupted; the operations go on\n")


async def test_data_stays_on_standard_output_beside_bars(api: Api, url: str) -> None:
    """Where standard error is a terminal and standard output a file."""
    made = [(await api.submit())["id"] for _ in range(2)]
    await api.complete(made[0], None)
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "wait", *made, "-o", "id", stdout=asyncio.subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    assert process.stdout is not None
    assert (await process.stdout.readline()).decode().strip() == made[0]
    await api.complete(made[1], None)
    assert (await process.stdout.read()).decode().strip() == made[1]
    assert await process.wait() == 0
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "━" in shown


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
