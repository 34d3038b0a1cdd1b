"""Exports lines to a file."""

import asyncio
import fcntl
import logging
import os
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Final

from application.ports.export import ExportFailed

_BLOCK: Final = 64 * 1024
"""Bytes that are read at a time in search of the last newline."""
_log = logging.getLogger(__name__)


class FileExport:
    """Appends to the file, which only the owner may read, and synchronizes it with the disk.

    One process at a time writes to it, under a lock. A failed export takes its lines back. The next export removes a
    last line that a killed process has left unfinished.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def store(self, lines: AsyncIterator[bytes]) -> None:
        file = _LockedFile(self._path)
        try:
            await _in_thread(file.open)
            async for line in lines:
                await _in_thread(partial(file.write, line))
            await _in_thread(file.sync)
        except BlockingIOError as error:
            raise ExportFailed(f"the export to {self._path} failed: another process writes to it") from error
        except OSError as error:
            raise ExportFailed(f"the export to {self._path} failed: {error.strerror}") from error
        finally:
            await _in_thread(file.close)


class _LockedFile:
    """The open file. Closing it before `sync` takes back what was written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._size = 0
        """Bytes that stay in any case."""

    def open(self) -> None:
        """Opens and locks the file, and makes it end with a whole line. Raises OSError."""
        new = not self._path.exists()
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if new:
            _sync_folder(self._path.parent)
        size, self._size = os.fstat(self._file).st_size, _end_of_last_line(self._file)
        if self._size < size:
            _log.warning("removes %d bytes of an unfinished export from %s", size - self._size, self._path)
            os.ftruncate(self._file, self._size)

    def write(self, line: bytes) -> None:
        """Appends the line. Raises OSError."""
        assert self._file is not None  # it is open
        rest = memoryview(line)
        while rest:
            rest = rest[os.write(self._file, rest) :]

    def sync(self) -> None:
        """Makes everything durable. Raises OSError."""
        assert self._file is not None  # it is open
        os.fsync(self._file)
        self._size = os.fstat(self._file).st_size

    def close(self) -> None:
        """Closes the file, which releases the lock."""
        if self._file is None:
            return
        try:
            if os.fstat(self._file).st_size > self._size:
                os.ftruncate(self._file, self._size)
        finally:
            os.close(self._file)


async def _in_thread(call: Callable[[], None]) -> None:
    """Calls in a thread. A cancellation takes effect when the call has ended: no thread uses a file that is closed."""
    task = asyncio.create_task(asyncio.to_thread(call))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def _end_of_last_line(file: int) -> int:
    """The number of bytes up to and with the last newline."""
    end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - _BLOCK)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _sync_folder(folder: Path) -> None:
    """Makes the name of the new file durable."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
