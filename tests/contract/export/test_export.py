"""The contract of export destinations."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from adapters.memory.export import MemoryExport
from adapters.system.export.command import CommandExport
from adapters.system.export.file import FileExport
from application.ports.export import ExportDestination, ExportFailed

LARGE = b"x" * 3_000_000 + b"\n"
"""More than a pipe holds."""


async def some(*lines: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    """The lines, and then the error."""
    for line in lines:
        yield line
    if error is not None:
        raise error


class ExportContract:
    """The contract. Subclasses provide the destination."""

    @pytest.fixture
    def destination(self, tmp_path: Path) -> ExportDestination:
        raise NotImplementedError

    @pytest.fixture
    def broken(self, tmp_path: Path) -> ExportDestination:
        """A destination that takes nothing."""
        raise NotImplementedError

    def stored(self, destination: ExportDestination, tmp_path: Path) -> Sequence[bytes]:
        """Returns the lines that the destination keeps."""
        return (tmp_path / "out").read_bytes().splitlines(keepends=True)

    async def test_lines_are_stored_in_order(self, destination: ExportDestination, tmp_path: Path) -> None:
        """Behind those of earlier calls."""
        await destination.store(some(b"1\n", b"2\n"))
        await destination.store(some(LARGE, b"3\n", b"4\n"))
        assert list(self.stored(destination, tmp_path)) == [b"1\n", b"2\n", LARGE, b"3\n", b"4\n"]

    async def test_a_broken_destination_raises(self, broken: ExportDestination) -> None:
        """So that the caller keeps what it wants to store."""
        with pytest.raises(ExportFailed):
            await broken.store(some(b"1\n"))
        with pytest.raises(ExportFailed):
            await broken.store(some(*[LARGE] * 9))

    async def test_an_error_of_the_caller_ends_the_export(self, destination: ExportDestination) -> None:
        """It is raised as it is, and the destination works again."""
        with pytest.raises(LookupError):
            await destination.store(some(b"1\n", error=LookupError()))
        await destination.store(some(b"2\n"))


class TestMemory(ExportContract):
    @pytest.fixture
    def destination(self, tmp_path: Path) -> ExportDestination:
        return MemoryExport()

    @pytest.fixture
    def broken(self, tmp_path: Path) -> ExportDestination:
        export = MemoryExport()
        export.broken = True
        return export

    def stored(self, destination: ExportDestination, tmp_path: Path) -> Sequence[bytes]:
        assert isinstance(destination, MemoryExport)
        return destination.lines


class TestFile(ExportContract):
    @pytest.fixture
    def destination(self, tmp_path: Path) -> ExportDestination:
        return FileExport(tmp_path / "out")

    @pytest.fixture
    def broken(self, tmp_path: Path) -> ExportDestination:
        return FileExport(tmp_path)


class TestCommand(ExportContract):
    @pytest.fixture
    def destination(self, tmp_path: Path) -> ExportDestination:
        return CommandExport(["sh", "-c", 'cat >> "$0"', str(tmp_path / "out")])

    @pytest.fixture
    def broken(self, tmp_path: Path) -> ExportDestination:
        return CommandExport(["sh", "-c", "head -c 1 > /dev/null; exit 3"])
