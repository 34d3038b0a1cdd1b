"""Logs of the embedded parts stay short while their processes write."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from entrypoints.local.embedded.processes import log_files
from entrypoints.local.embedded.processes.log_files import open_log, set_aside
from entrypoints.local.embedded.processes.process import Command, GuardedProcess

WRITER = """
import sys, time
line = "x" * 99
for number in range(10_000_000):
    print(f"{number:9}", line, flush=True)
    if number % 200 == 199:
        time.sleep(0.005)
"""


def test_a_large_log_is_set_aside(tmp_path: Path) -> None:
    """Once, whole, with the descriptor that writes still good."""
    path = tmp_path / "a.log"
    descriptor, start = open_log(path)
    assert start == 0
    os.write(descriptor, b"old\n" * 100)
    assert not set_aside(path, limit=400)
    assert set_aside(path, limit=399)
    os.write(descriptor, b"new\n")
    os.close(descriptor)
    assert path.read_bytes() == b"new\n"
    assert (tmp_path / "a.log.1").read_bytes() == b"old\n" * 100


def test_a_log_that_cannot_be_set_aside_is_left(tmp_path: Path) -> None:
    """A missing log, or a folder in the place of the copy: logging goes on."""
    assert not set_aside(tmp_path / "none.log", limit=0)
    (tmp_path / "a.log").write_text("text")
    (tmp_path / "a.log.1").mkdir()
    assert not set_aside(tmp_path / "a.log", limit=1)
    assert (tmp_path / "a.log").read_text() == "text"


async def test_a_running_process_does_not_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit holds while it writes, and its last lines are still found."""
    monkeypatch.setattr(log_files, "LOG_LIMIT", 50_000)
    monkeypatch.setattr(log_files, "CHECK_EVERY", 0.01)
    log = tmp_path / "writer.log"
    log.write_text("from an earlier run\n" * 2_000)
    argv = (sys.executable, "-I", "-S", "-c", WRITER)
    command = Command(argv=argv, env=dict(os.environ), log=log, lock=tmp_path / "writer.lock")
    process = await GuardedProcess.start(command)
    waiting = asyncio.create_task(process.wait())
    rounds = 0
    async with asyncio.timeout(60):
        while rounds < 3:
            kept = log.with_name("writer.log.1")
            if kept.exists() and "earlier" not in kept.read_text():
                rounds += 1
                kept.unlink()
            await asyncio.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    assert await waiting == 128 + signal.SIGTERM
    await process.stop()
    assert "x" * 99 in process.log_tail()
