"""Every file that a command reads may be unreadable or nonsense: one clear line names it, and no traceback."""

import codecs
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

import entrypoints.cli.doctor
import entrypoints.cli.keys
import entrypoints.cli.main
from domain.errors import StartupError
from entrypoints.cli.main import main
from entrypoints.cli.running import of_running_stack
from entrypoints.files import MAX_BYTES
from entrypoints.local.embedded import data_folder
from entrypoints.local.embedded.callbacks import kept_keys
from entrypoints.local.embedded.data_folder import MARKER, opened
from entrypoints.settings.operations_file import load_catalogue
from entrypoints.settings.settings import Settings, load_settings
from entrypoints.wiring.catalogue import checked_catalogue

for codec in ("ascii", "utf-8", "latin-1"):
    codecs.lookup(codec)  # An ordinary user may not be able to read Python's own files.
NOBODY = 65534
DEEP = "[" * 100_000
BROKEN: dict[str, Callable[[Path], Any]] = {
    "unreadable": lambda path: path.touch(0),
    "a directory": lambda path: path.mkdir(),
    "a loop": lambda path: path.symlink_to(path),
    "not UTF-8": lambda path: path.write_bytes(b'\xff\xfe"a'),
    "NUL": lambda path: path.write_bytes(b"\x00" * 100),
    "truncated": lambda path: path.write_text('{"database_url": "po'),
    "huge": lambda path: path.write_bytes(b" " * (MAX_BYTES + 1)),
    "deep": lambda path: path.write_text(f"a = {DEEP}"),
    "deep JSON": lambda path: path.write_text(f'{{"a": {DEEP}'),
    "deep names": lambda path: path.write_text("[operations.x.input_schema." + "a." * 5_000 + "b]\n"),
    "another type": lambda path: path.write_text("[]"),
    "other types": lambda path: path.write_text(
        '{"database_url": 1, "temporal_address": [], "temporal_namespace": null}'
    ),
    "NUL in a value": lambda path: path.write_text(
        '{"database_url": "a\\u0000", "temporal_address": "a\\u0000", "temporal_namespace": "a"}'
    ),
    "half a surrogate": lambda path: path.write_text(
        '{"database_url": "\\ud800", "temporal_address": "\\ud800", "temporal_namespace": "a"}'
    ),
}
READERS: dict[str, Callable[[Path], Any]] = {
    "opledger.toml": lambda path: load_settings({}, {"OPLEDGER_CONFIG": str(path)}),
    "operations.toml": load_catalogue,
    "run.json": lambda path: of_running_stack(Settings(data_dir=str(path.parent))),
    "callback.key": kept_keys,
}


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Root reads everything; who runs the tests as root becomes another user for a while."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder that an ordinary user can enter."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_file_is_named_in_one_line(place: Path, name: str, fault: str) -> None:
    """Whatever is wrong with it, and whoever reads it."""
    path = place / name
    BROKEN[fault](path)
    with ordinary_user(), pytest.raises(StartupError) as caught:
        READERS[name](path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1_000


def test_a_deep_schema_is_refused_with_its_type(tmp_path: Path) -> None:
    """What is TOML, and as a schema too deep."""
    path = tmp_path / "operations.toml"
    schema = ".".join(["not"] * 150)
    path.write_text(f'[operations.a]\nworkflow = "A"\ntask_queue = "q"\n[operations.a.input_schema.{schema}]\n')
    with pytest.raises(StartupError, match="'a': input_schema is nested deeper"):
        checked_catalogue(Settings(operations=str(path)))


def test_a_set_database_makes_the_folder_irrelevant(place: Path) -> None:
    """A broken or foreign folder of embedded parts does not concern another database."""
    (place / "run.json").write_text("nonsense")
    settings = Settings(data_dir=str(place), database_url="postgresql://elsewhere/db")
    assert of_running_stack(settings) == settings


@pytest.fixture
def foreign(place: Path) -> Iterator[Path]:
    """A data folder that this user may not enter, as another user's is."""
    folder = place / "data"
    with opened(folder) as ours:
        ours.postgres.mkdir()
    (folder / "run.json").write_text(msgspec.json.encode({}).decode())
    folder.chmod(0)
    with ordinary_user():
        yield folder
    folder.chmod(0o700)


@pytest.mark.parametrize("command", [["reset", "--yes"], ["keys", "list"], ["keys", "revoke", "x"], ["doctor"]])
def test_a_folder_of_another_user_is_named_in_one_line(
    foreign: Path, command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By every command that looks into it."""
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setattr(sys, "argv", ["opledger", *command, "--data-dir", str(foreign)])
    with pytest.raises(SystemExit) as ended:
        main()
    [line] = capsys.readouterr().err.splitlines()
    assert ended.value.code == 1
    assert line.startswith("opledger: ")
    assert str(foreign) in line


def test_a_folder_of_another_user_is_not_used(foreign: Path) -> None:
    """By `opledger up`."""
    with pytest.raises(StartupError, match=re.escape(str(foreign))):
        opened(foreign).__enter__()


def test_a_file_of_the_system_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What no reader foresaw, too; what is no file's fault keeps its traceback."""

    def fail(error: Exception) -> None:
        monkeypatch.setattr(entrypoints.cli.main, "cli", lambda: (_ for _ in ()).throw(error))
        main()

    with pytest.raises(SystemExit):
        fail(PermissionError(13, "Permission denied", "/some/file"))
    assert capsys.readouterr().err == "opledger: /some/file: Permission denied\n"
    with pytest.raises(RuntimeError):
        fail(RuntimeError("a mistake of ours"))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"pid", b"9" * 100_000])
def test_a_marker_that_says_nothing(tmp_path: Path, content: bytes) -> None:
    """The lock says who uses the folder; its text only helps."""
    with opened(tmp_path / "data"):
        (tmp_path / "data" / MARKER).write_bytes(content)
        with pytest.raises(StartupError, match=r"in use by another opledger \(pid (unknown|9+)\)"):
            data_folder.reset(tmp_path / "data")
        assert isinstance(data_folder.user_of(tmp_path / "data"), int)


@pytest.mark.parametrize("name", ["logs", "run", MARKER])
def test_a_part_of_the_folder_of_another_kind(tmp_path: Path, name: str) -> None:
    """A file where a folder should be, and the reverse, is an error that names it, or is replaced."""
    folder = tmp_path / "data"
    with opened(folder):
        pass
    if name == MARKER:
        (folder / name).unlink()
        (folder / name).mkdir()
    else:
        (folder / name).rmdir() if (folder / name).is_dir() else None
        (folder / name).write_text("")
    if name == "run":
        with opened(folder) as ours:
            assert ours.runtime.is_dir()
    else:
        with pytest.raises(StartupError, match=name):
            opened(folder).__enter__()
