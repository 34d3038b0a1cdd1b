"""The data folder of the embedded parts: private to this user, used by one opledger at a time."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from domain.errors import StartupError
from entrypoints.files import exists
from entrypoints.local.embedded.processes import locks, privileges

MARKER = "opledger.lock"
"""File that marks a data folder. An opledger that uses the folder locks it and writes its process id into it."""
SOCKET_PATH_LIMIT = 103
"""Most bytes of a Unix socket's path: 107 on Linux, 103 on macOS."""
SOCKET_NAME = ".s.PGSQL.5432"
RUNTIME_PREFIX = "opledger-run-"


class DataFolder:
    """The paths in a data folder: `postgres/`, `temporal.db`, `callback.key`, `logs/`, `run/`, `run.json`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.postgres = path / "postgres"
        self.temporal_db = path / "temporal.db"
        self.callback_key = path / "callback.key"
        self.logs = path / "logs"
        self.runtime = path / "run"
        self.run_json = path / "run.json"

    def lock_of(self, part: str) -> Path:
        return self.path / f"{part}.lock"

    def socket_folder(self) -> Path:
        """Returns a folder of mode 0700 whose path is short enough for a socket: `run/`, or the target of that link."""
        folder = self.runtime.resolve()
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder


@contextlib.contextmanager
def opened(path: Path | None) -> Iterator[DataFolder]:
    """Creates the data folder at `path` if it is missing, and locks it until the block ends. Without a path the folder
    is temporary and removed at the end. A killed opledger leaves it in the system's temporary folder.

    Raises StartupError: the folder is in use, belongs to another user, or is not a data folder.
    """
    location = path.expanduser().absolute() if path else Path(tempfile.mkdtemp(prefix="opledger-"))
    try:
        with _locked(location) as folder:
            with _translated_errors(location):
                folder.logs.mkdir(mode=0o700, exist_ok=True)
                _create_runtime(folder)
            try:
                yield folder
            finally:
                _remove_runtime(folder)
    finally:
        if path is None:
            shutil.rmtree(location, ignore_errors=True)


def reset(path: Path) -> bool:
    """Deletes everything in a data folder. Returns False if there is no folder. Raises StartupError: the folder is in
    use, belongs to another user, is not a data folder, or cannot be deleted."""
    path = path.expanduser().absolute()
    if not exists(path):
        return False
    with _translated_errors(path):
        _check_owner(path)
        if not (path / MARKER).is_file():
            raise StartupError(f"{path} is not an opledger data folder: nothing was deleted")
        _empty(path)
    return True


def _empty(path: Path) -> None:
    with _locked(path):
        _wait_for_parts(path)
        for entry in path.iterdir():
            if entry.name == MARKER:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[DataFolder]:
    _check_or_create(path)
    marker = path / MARKER
    with _translated_errors(path):
        descriptor = locks.try_lock(marker)
    if descriptor is None:
        raise StartupError(f"{path} is in use by another opledger (pid {_process_id(marker) or 'unknown'})")
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield DataFolder(path)
    finally:
        os.close(descriptor)


def _wait_for_parts(path: Path, seconds: float = 20.0) -> None:
    """Waits for the servers of a killed opledger to exit. Raises StartupError after `seconds`."""
    deadline = time.monotonic() + seconds
    for lock in path.glob("*.lock"):
        while lock.name != MARKER:
            descriptor = locks.try_lock(lock)
            if descriptor is not None:
                os.close(descriptor)
                break
            if time.monotonic() > deadline:
                raise StartupError(f"processes of an earlier run still lock {lock}: find them with lsof, and stop them")
            time.sleep(0.05)


def _check_or_create(path: Path) -> None:
    with _translated_errors(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(path)
        entries = {entry.name for entry in path.iterdir()}
        if entries and MARKER not in entries:
            raise StartupError(f"{path} is not empty and not an opledger data folder: choose another folder")
        path.chmod(0o700)


def _check_owner(path: Path) -> None:
    owner = path.stat().st_uid
    if owner not in privileges.our_users():
        raise StartupError(f"the data folder {path} belongs to another user (uid {owner})")


@contextlib.contextmanager
def _translated_errors(path: Path) -> Iterator[None]:
    """Raises StartupError with the path for an OSError of the block."""
    try:
        yield
    except OSError as error:
        place = f" ({error.filename})" if error.filename not in (None, str(path)) else ""
        raise StartupError(f"the data folder {path} cannot be used: {error.strerror}{place}") from error


def _process_id(marker: Path) -> int:
    """Returns the process id in the marker; 0 if there is none."""
    text = marker.read_bytes()[:20].strip()
    return int(text) if text.isdigit() else 0


def _create_runtime(folder: DataFolder) -> None:
    """Creates `run`: a folder, or a link to a temporary folder if the socket's path would be too long."""
    _remove_runtime(folder)
    if len(os.fsencode(folder.path.resolve() / "run" / SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
        folder.runtime.mkdir(mode=0o700)
        return
    short = tempfile.mkdtemp(prefix=RUNTIME_PREFIX)
    if len(os.fsencode(Path(short) / SOCKET_NAME)) > SOCKET_PATH_LIMIT:
        Path(short).rmdir()
        short = tempfile.mkdtemp(prefix=RUNTIME_PREFIX, dir="/tmp")
    folder.runtime.symlink_to(short)


def _remove_runtime(folder: DataFolder) -> None:
    if folder.runtime.is_symlink():
        target = folder.runtime.readlink()
        if target.name.startswith(RUNTIME_PREFIX):
            shutil.rmtree(target, ignore_errors=True)
        folder.runtime.unlink()
    elif folder.runtime.is_dir():
        shutil.rmtree(folder.runtime, ignore_errors=True)
    else:
        folder.runtime.unlink(missing_ok=True)
