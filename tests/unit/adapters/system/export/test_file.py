"""The export to a file: whole lines, one writer, durable."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.system.export.file import FileExport
from application.ports.export import ExportFailed
from tests.contract.export.test_export import LARGE, some


async def test_the_file_is_the_owners_alone(tmp_path: Path) -> None:
    """It holds the inputs and results of all tenants."""
    await FileExport(tmp_path / "out").store(some(b"1\n"))
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o600


async def test_a_failed_export_takes_its_lines_back(tmp_path: Path) -> None:
    """The earlier ones stay."""
    export = FileExport(tmp_path / "out")
    await export.store(some(b"1\n"))
    with pytest.raises(LookupError):
        await export.store(some(b"2\n", LARGE, error=LookupError()))
    assert (tmp_path / "out").read_bytes() == b"1\n"


@pytest.mark.parametrize("whole", [b"", b"1\n", b"1\n" + b"y" * 200_000 + b"\n"])
async def test_an_unfinished_line_is_removed(whole: bytes, tmp_path: Path) -> None:
    """That of a process that was killed while it wrote: its operation was not deleted."""
    (tmp_path / "out").write_bytes(whole + b"x" * 150_000)
    await FileExport(tmp_path / "out").store(some(b"2\n"))
    assert (tmp_path / "out").read_bytes() == whole + b"2\n"


async def test_another_process_that_writes_is_not_disturbed(tmp_path: Path) -> None:
    """The export fails, and the file is as it was."""
    path = tmp_path / "out"
    path.write_bytes(b"1\nunfin")
    other = os.open(path, os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(ExportFailed, match="another process writes to it"):
        await FileExport(path).store(some(b"2\n"))
    assert path.read_bytes() == b"1\nunfin"
    os.close(other)
    await FileExport(path).store(some(b"2\n"))
    assert path.read_bytes() == b"1\n2\n"


async def test_a_cancelled_export_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """The file is unlocked."""
    path, begun = tmp_path / "out", asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"1\n"
        begun.set()
        await asyncio.Event().wait()

    exporting = asyncio.create_task(FileExport(path).store(endless()))
    await begun.wait()
    exporting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await exporting
    assert path.read_bytes() == b""
    await FileExport(path).store(some(b"2\n"))
    assert path.read_bytes() == b"2\n"


async def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """The error has the reason."""
    with pytest.raises(ExportFailed, match=r"nowhere/out failed: No such file or directory"):
        await FileExport(tmp_path / "nowhere" / "out").store(some(b"1\n"))
