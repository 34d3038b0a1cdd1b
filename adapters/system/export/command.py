"""Exports lines to the standard input of a command."""

import asyncio
import contextlib
import os
import signal
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from typing import IO, Final

from application.ports.export import ExportFailed

_MAX_OUTPUT: Final = 500
"""Bytes of the command's error output in a message."""


class CommandExport:
    """Starts the command for each export. It has taken the lines when it ends with exit code 0.

    An export that is cancelled or fails kills the command and its children.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        """`arguments`: the program and its arguments. No shell reads them."""
        self._arguments = list(arguments)

    async def store(self, lines: AsyncIterator[bytes]) -> None:
        # A file, not a pipe: a child of the command that goes on running could hold a pipe open.
        with tempfile.TemporaryFile() as errors:
            # A task of its own: a start that is cancelled in between kills the command, but not its children.
            starting = asyncio.ensure_future(self._start(errors))
            try:
                process = await asyncio.shield(starting)
                read_all = await _feed(process, lines)
                code = await process.wait()
            except BaseException:
                with contextlib.suppress(ExportFailed):
                    await _kill(await starting)
                raise
            if code != 0:
                how = f"ended with exit code {code}" if code > 0 else f"was killed by signal {-code}"
                raise self._failed(how + _end_of_output(errors))
            if not read_all:
                raise self._failed("ended before it had read everything" + _end_of_output(errors))

    async def _start(self, errors: IO[bytes]) -> Process:
        try:
            return await asyncio.create_subprocess_exec(
                *self._arguments, stdin=PIPE, stdout=DEVNULL, stderr=errors, start_new_session=True
            )
        except OSError as error:
            raise self._failed(f"cannot be run: {error.strerror}") from error

    def _failed(self, why: str) -> ExportFailed:
        return ExportFailed(f"the export command {self._arguments[0]} {why}")


async def _kill(process: Process) -> None:
    """Kills the command and its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


async def _feed(process: Process, lines: AsyncIterator[bytes]) -> bool:
    """Returns whether the command has not closed its input before the end."""
    assert process.stdin is not None  # a pipe
    try:
        async for line in lines:
            process.stdin.write(line)
            await process.stdin.drain()
        process.stdin.close()
        await process.stdin.wait_closed()
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _end_of_output(errors: IO[bytes]) -> str:
    """The end of what the command has written to its standard error."""
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - _MAX_OUTPUT))
    words = errors.read().decode(errors="replace").strip()
    return f": {words}" if words else ""
