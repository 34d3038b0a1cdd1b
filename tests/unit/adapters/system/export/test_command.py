"""The export to a command: only exit code 0 counts, and nothing that it started is left behind."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.system.export.command import CommandExport
from application.ports.export import ExportFailed
from tests.contract.export.test_export import LARGE, some
from tests.support.eventually import eventually


def shell(script: str, *arguments: str) -> CommandExport:
    """Runs the script."""
    return CommandExport(["sh", "-c", script, *arguments])


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("cat > /dev/null; exit 3", "sh ended with exit code 3"),
        ("cat > /dev/null; echo disk full >&2; exit 1", "sh ended with exit code 1: disk full"),
        ("kill -9 $$", "sh was killed by signal 9"),
        ("exec 0< /dev/null", "sh ended before it had read everything"),
    ],
)
async def test_a_failure_of_the_command_is_named(script: str, words: str) -> None:
    """The error has the end of the command's output."""
    with pytest.raises(ExportFailed, match=words):
        await shell(script).store(some(*[LARGE] * 3))


async def test_a_long_error_output_is_cut() -> None:
    """It does not fill the log, nor stop the command."""
    script = "import sys; sys.stdin.read(); sys.stderr.write('x' * 1_000_000 + 'end'); sys.exit(1)"
    with pytest.raises(ExportFailed) as caught:
        await CommandExport([sys.executable, "-c", script]).store(some(b"1\n"))
    assert str(caught.value).endswith("end")
    assert len(str(caught.value)) < 1000


async def test_a_program_that_is_missing_is_named() -> None:
    """The error has the reason."""
    with pytest.raises(ExportFailed, match="no-such-program cannot be run: No such file or directory"):
        await CommandExport(["no-such-program"]).store(some(b"1\n"))


@pytest.mark.parametrize("steps", range(2, 8))
async def test_a_cancelled_export_kills_the_command_and_its_children(tmp_path: Path, steps: int) -> None:
    """Its timeout cancels it, wherever it is by then: the command may run before the event loop has noticed it."""
    pids = tmp_path / "pids"
    exporting = asyncio.create_task(
        shell('sleep 1000 & echo $! $$ > "$0.new"; mv "$0.new" "$0"; wait', str(pids)).store(some(b"1\n"))
    )
    for _ in range(steps):
        await asyncio.sleep(0)
    while not pids.exists():
        time.sleep(0.01)  # noqa: ASYNC251 - the event loop is busy
    exporting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exporting

    async def ended() -> bool:
        return not any(is_running(int(pid)) for pid in pids.read_text().split())

    await eventually(ended)


async def test_a_child_that_goes_on_does_not_hold_the_export(tmp_path: Path) -> None:
    """The exit code of the command counts."""
    pid = tmp_path / "pid"
    await shell('cat > /dev/null; sleep 1000 & echo $! > "$0"', str(pid)).store(some(b"1\n"))
    os.kill(int(pid.read_text()), signal.SIGKILL)


async def test_lines_wait_for_a_slow_command(tmp_path: Path) -> None:
    """They are not held in memory."""
    asked = 0

    async def lines() -> AsyncIterator[bytes]:
        nonlocal asked
        for asked in range(1, 100):  # noqa: B007
            yield LARGE

    exporting = asyncio.create_task(
        shell('while [ ! -e "$0" ]; do sleep 0.05; done; cat > /dev/null', str(tmp_path / "go")).store(lines())
    )
    await asyncio.wait({exporting}, timeout=0.5)
    assert asked <= 1
    (tmp_path / "go").touch()
    await exporting
    assert asked == 99


def is_running(pid: int) -> bool:
    """Whether the process exists, and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
