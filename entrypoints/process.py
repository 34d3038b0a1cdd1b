"""Signals, exit codes and shutdown of long-lived processes."""

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
    """Runs `main`, then exits with its code; with code 1 and one line on an error that the user can correct.

    The first of STOP_SIGNALS sets the event that `main` gets. A second one ends the process at once, except SIGHUP,
    which a closing terminal and its shell both send. The process ends by `os._exit` after a flush, because temporalio
    can crash while the interpreter shuts down.
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
    """Prints an error that the user can correct in one line: an OpledgerError, or a file that cannot be used. Returns
    whether it was such an error."""
    if isinstance(error, OpledgerError):
        say(f"opledger: {error}")
    elif isinstance(error, OSError) and error.filename is not None:
        say(f"opledger: {error.filename}: {error.strerror}")
    else:
        return False
    return True


def say(line: str) -> None:
    """Prints a line to standard error. Ignores a closed terminal, which must not stop a shutdown."""
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
    """Raises the soft limit of open files to the hard limit: every connection needs a descriptor, and the usual soft
    limit of 1,024 only serves programs that use `select`."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # macOS takes no limit beyond one of the kernel's, whatever the hard one says.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def leave(code: int) -> NoReturn:
    """Ends this process without the interpreter's clean-up."""
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
        # Under nohup, SIGHUP stays ignored.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, on_signal, number)
    return await main(stop)
