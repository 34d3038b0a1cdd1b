"""Log files of the embedded parts: appended to by their processes, and never much larger than a limit."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

LOG_LIMIT: Final = 8 * 1024 * 1024
"""Bytes past which a log is set aside, as `.1`."""
CHECK_EVERY: Final = 5.0
"""Seconds between two looks at the size of a log that is written to."""

_TAIL: Final = 8192


def open_log(path: Path) -> tuple[int, int]:
    """Opens the log for appending. Returns its descriptor and its size. Sets a log that is too large aside first."""
    set_aside(path)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    return descriptor, os.fstat(descriptor).st_size


def set_aside(path: Path, limit: int | None = None) -> bool:
    """Copies a log that is larger than the limit to `.1`, over an earlier copy, and empties it. Returns whether it did.

    The file itself stays, because the writing process keeps its descriptor. Lines that are written between copy and
    truncation are lost."""
    with contextlib.suppress(OSError):
        if path.stat().st_size > (LOG_LIMIT if limit is None else limit):
            shutil.copyfile(path, earlier(path))
            os.truncate(path, 0)
            return True
    return False


def earlier(path: Path) -> Path:
    """Returns the path of the log that was set aside."""
    return path.with_name(path.name + ".1")


async def keep_short(path: Path, on_set_aside: Callable[[], None]) -> None:
    """Sets the log aside whenever it is too large, until cancelled."""
    while True:
        await asyncio.sleep(CHECK_EVERY)
        if await asyncio.to_thread(set_aside, path):
            on_set_aside()


def tail(path: Path, start: int = 0) -> str:
    """Returns the end of a log, from `start` at the earliest."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(start, size - _TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
