"""Exclusive file locks. A lock lasts while a process holds the file open, so kill -9 leaves no stale lock."""

import asyncio
import fcntl
import os
import time
from pathlib import Path


def try_lock(path: Path) -> int | None:
    """Returns the descriptor of the locked file; None if another process holds the lock. Children do not inherit it
    unless it is passed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


async def wait_for_lock(path: Path, seconds: float) -> int | None:
    """Tries to lock the file for up to `seconds`. Returns as `try_lock` does."""
    deadline = time.monotonic() + seconds
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            return None
        await asyncio.sleep(0.02)
    return descriptor
