"""How a long-lived process runs: signals, exit codes, the way out."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Final, NoReturn

from domain.errors import OpledgerError

_log = logging.getLogger(__name__)


STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)
Main = Callable[[asyncio.Event], Awaitable[int]]
"""Gets the event that says when to stop; returns the exit code."""


def run_to_exit(main: Main, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> NoReturn:
    """Run until done or told to stop, then leave with the code; with 1 and one clear line on an error that the user can
    mend.

    `main` gets an event that the first of STOP_SIGNALS sets; a second one ends the process at once, SIGHUP apart: a
    terminal that closes and its shell both send it. The way out is a flush and `os._exit`: temporalio can crash while
    the interpreter takes itself apart.
    """
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            code = runner.run(_until_stopped(main))
    except Exception as error:
        if not complain(error):
            _log.exception("unexpected error")
        code = 1
    leave(code)


def complain(error: Exception) -> bool:
    """Say in one line what the user can mend: an error of ours, or a file that cannot be used. Whether it is one."""
    if isinstance(error, OpledgerError):
        say(f"opledger: {error}")
    elif isinstance(error, OSError) and error.filename is not None:
        say(f"opledger: {error.filename}: {error.strerror}")
    else:
        return False
    return True


def say(line: str) -> None:
    """Print a line to standard error, where there still is one: a closed terminal must not stop a shutdown."""
    with contextlib.suppress(OSError, ValueError):
        print(line.encode(errors="replace").decode(), file=sys.stderr, flush=True)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's event loop, where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def raise_descriptor_limit() -> None:
    """Let this process have as many descriptors as its hard limit allows: each open connection is one, and the usual
    soft limit of 1,024 is for programs that use `select`."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS takes no limit beyond one of the kernel's, whatever the hard one says.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def leave(code: int) -> NoReturn:
    """End this process without the interpreter's clean-up."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


async def _until_stopped(main: Main) -> int:
    stop = asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set() and number is not signal.SIGHUP:
            leave(130)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in STOP_SIGNALS:
        # Under nohup the closing terminal is to be ignored.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, on_signal, number)
    return await main(stop)
