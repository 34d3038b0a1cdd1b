"""Exclusive file locks that last as long as any process that holds the file open: nothing stale after kill -9."""

import asyncio
import fcntl
import os
import time
from pathlib import Path


def try_lock(path: Path) -> int | None:
    """The open, locked file's descriptor, or None where another holds it. Children get it only if it is passed."""
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
    """As `try_lock`, patiently."""
    deadline = time.monotonic() + seconds
    while (descriptor := try_lock(path)) is None:
        if time.monotonic() > deadline:
            return None
        await asyncio.sleep(0.02)
    return descriptor
