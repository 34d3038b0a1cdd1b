"""Every signal that asks a process to end gives it the time for an orderly shutdown."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from entrypoints.process import STOP_SIGNALS

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import asyncio, os, sys
from entrypoints.process import run_to_exit, say

async def main(stop):
    print("ready", flush=True)
    await stop.wait()
    print("stopping", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    if "hang up" in sys.argv:
        os.close(2)
    say("a line without a reader")
    print("stopped", flush=True)
    return 0

run_to_exit(main)
"""


async def begun(*arguments: str, ignoring: tuple[signal.Signals, ...] = ()) -> asyncio.subprocess.Process:
    """A process of ours that waits to be stopped."""

    def dispose() -> None:
        # The tests themselves may run under nohup, whose ignored signals a child inherits.
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN if number in ignoring else signal.SIG_DFL)

    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, *arguments),
        cwd=ROOT,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        preexec_fn=dispose,
    )
    assert await said(process) == b"ready\n"
    return process


async def said(process: asyncio.subprocess.Process) -> bytes:
    """Its next line."""
    assert process.stdout is not None
    return await process.stdout.readline()


@pytest.mark.parametrize("number", STOP_SIGNALS)
async def test_the_first_signal_stops_in_order(number: signal.Signals) -> None:
    """SIGHUP, as a terminal that closes sends it, and SIGQUIT included."""
    process = await begun()
    process.send_signal(number)
    assert await said(process) == b"stopping\n"
    output, _ = await process.communicate(b"\n")
    assert (output, process.returncode) == (b"stopped\n", 0)


async def test_a_hang_up_comes_twice() -> None:
    """From the kernel and from the shell: the second does not cut the shutdown short."""
    process = await begun("hang up")
    for _ in range(2):
        process.send_signal(signal.SIGHUP)
    assert await said(process) == b"stopping\n"
    process.send_signal(signal.SIGHUP)
    output, _ = await process.communicate(b"\n")
    assert (output, process.returncode) == (b"stopped\n", 0)


async def test_a_second_interrupt_ends_at_once() -> None:
    """A second Ctrl-C ends the process at once."""
    process = await begun()
    process.send_signal(signal.SIGINT)
    assert await said(process) == b"stopping\n"
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 130


async def test_nohup_is_respected() -> None:
    """A process that was started to outlive its terminal does."""
    process = await begun(ignoring=(signal.SIGHUP,))
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    assert await said(process) == b"stopping\n"
    await process.communicate(b"\n")
    assert process.returncode == 0
