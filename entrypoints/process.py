"""How a long-lived process runs: signals, exit codes, the way out."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import NoReturn

from domain.errors import OpledgerError

_log = logging.getLogger(__name__)


Main = Callable[[asyncio.Event], Awaitable[int]]
"""Gets the event that says when to stop; returns the exit code."""


def run_to_exit(main: Main, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None) -> NoReturn:
    """Run until done or told to stop, then leave with the code; with 1 and one clear line on an OpledgerError.

    `main` gets an event that the first SIGTERM or SIGINT sets; a second one ends the process at once. The way out is
    a flush and `os._exit`: temporalio can crash while the interpreter takes itself apart.
    """
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            code = runner.run(_until_stopped(main))
    except OpledgerError as error:
        print(f"opledger: {error}", file=sys.stderr)
        code = 1
    except Exception:
        _log.exception("ended by an error that nobody expected")
        code = 1
    leave(code)


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
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _until_stopped(main: Main) -> int:
    stop = asyncio.Event()

    def on_signal() -> None:
        if stop.is_set():
            leave(130)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    return await main(stop)
