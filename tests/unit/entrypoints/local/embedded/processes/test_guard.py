"""The guard, around small processes of ours."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from domain.errors import StartupError
from entrypoints.local.embedded.processes import guard, locks
from entrypoints.local.embedded.processes.process import Command, GuardedProcess, Stop, run

DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN); say('deaf'); time.sleep(60)"
SLEEP = "say('up'); time.sleep(60)"


def command(folder: Path, code: str, stop: Stop = ((signal.SIGTERM, 20.0),)) -> Command:
    code = f"import os, signal, sys, time\ndef say(text): print(text, flush=True)\n{code}"
    argv = (sys.executable, "-I", "-S", "-c", code)
    return Command(argv, env=dict(os.environ), log=folder / "log", lock=folder / "lock", stop=stop)


async def said(process: GuardedProcess, text: str) -> None:
    async with asyncio.timeout(60):
        while text not in process.log_tail():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_exit_status_and_output(tmp_path: Path) -> None:
    """The command's status is the guard's; both its outputs go to the log, which is private."""
    process = await GuardedProcess.start(command(tmp_path, "say('out'); sys.stderr.write('err'); sys.exit(7)"))
    assert await process.wait() == 7
    assert process.log_tail() == "out\nerr"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
    with pytest.raises(StartupError, match="status 9:\nwhy"):
        await run(command(tmp_path, "say('why'); sys.exit(9)"))


async def test_stop_and_kill(tmp_path: Path) -> None:
    """A command that heeds the signal ends with it, one that does not gets the next."""
    process = await GuardedProcess.start(command(tmp_path, SLEEP))
    await said(process, "up")
    assert await process.stop() == 128 + signal.SIGTERM
    deaf = await GuardedProcess.start(command(tmp_path, DEAF, ((signal.SIGTERM, 0.1), (signal.SIGINT, 20.0))))
    await said(deaf, "deaf")
    assert await deaf.stop() in (1, 128 + signal.SIGINT)
    deafer = command(tmp_path, DEAF, ((signal.SIGTERM, 0.1),))
    process = await GuardedProcess.start(deafer)
    await said(process, "deaf")
    assert await process.stop() == 128 + signal.SIGKILL
    assert await process.stop() == 128 + signal.SIGKILL


async def test_guard_heeds_signals_itself(tmp_path: Path) -> None:
    """SIGTERM to the guard, as a service manager sends it to all, stops the command too."""
    process = await GuardedProcess.start(command(tmp_path, SLEEP))
    await said(process, "up")
    os.kill(process.guard_pid, signal.SIGTERM)
    assert await process.wait() == 128 + signal.SIGTERM


async def test_missing_program_is_named_in_the_log(tmp_path: Path) -> None:
    """Its name is in the log."""
    missing = Command(("/no/such/program",), env={}, log=tmp_path / "log", lock=tmp_path / "lock")
    process = await GuardedProcess.start(missing)
    assert await process.wait() == 127
    assert "cannot run /no/such/program" in process.log_tail()


async def test_command_inherits_its_lock_alone(tmp_path: Path) -> None:
    """No pipe of this or another guard reaches a command: its end of file would never come. The lock does."""
    first = await GuardedProcess.start(command(tmp_path, SLEEP))
    (tmp_path / "b").mkdir()
    second = await GuardedProcess.start(command(tmp_path / "b", SLEEP))
    await said(second, "up")
    for process, folder in ((first, tmp_path), (second, tmp_path / "b")):
        await said(process, "up")
        assert {file.path for file in psutil.Process(process.pid).open_files()} == {
            str(folder / "log"),
            str(folder / "lock"),
        }
        assert psutil.Process(process.pid).num_fds() == 4  # and standard input and output: /dev/null and the log
    assert locks.try_lock(tmp_path / "lock") is None
    await first.stop()
    await second.stop()
    descriptor = locks.try_lock(tmp_path / "lock")
    assert descriptor is not None
    os.close(descriptor)


def test_wrong_command_line_is_refused() -> None:
    """A wrong command line is said to be one."""
    with pytest.raises(SystemExit, match="usage"):
        guard.parse(["--stop"])
    assert guard.parse(["--identity", "same", "--stop", "INT:1,KILL:2.5", "--", "a", "b"]) == (
        "same",
        [(signal.SIGINT, 1.0), (signal.SIGKILL, 2.5)],
        ["a", "b"],
    )
