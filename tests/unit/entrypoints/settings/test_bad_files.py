"""Unreadable or invalid files: every command that reads one fails with one line that names it, without traceback."""

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

from domain.errors import StartupError
from entrypoints.cli import demo
from entrypoints.cli.main import cli, main
from entrypoints.cli.running import of_running_stack
from entrypoints.files import MAX_BYTES
from entrypoints.local.embedded import data_folder
from entrypoints.local.embedded.callbacks import kept_keys
from entrypoints.local.embedded.data_folder import MARKER, opened
from entrypoints.settings.loading import load_settings
from entrypoints.settings.operations_file import load_catalogue
from entrypoints.settings.settings import Settings
from entrypoints.wiring.catalogue import checked_catalogue

for codec in ("ascii", "utf-8", "latin-1"):
    codecs.lookup(codec)  # An ordinary user may not be able to read the files of Python itself.
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
    """Runs the block as another user than root, who can read everything."""
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
    """Returns a folder that an ordinary user can enter."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_file_is_named_in_one_line(place: Path, name: str, kind: str) -> None:
    """Whatever is wrong with it, and whichever command reads it."""
    path = place / name
    BROKEN[kind](path)
    with ordinary_user(), pytest.raises(StartupError) as caught:
        READERS[name](path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1_000


def test_a_deep_schema_is_refused_with_its_type(tmp_path: Path) -> None:
    """The TOML is valid, but the schema is nested too deeply."""
    path = tmp_path / "operations.toml"
    schema = ".".join(["not"] * 150)
    path.write_text(f'[operations.a]\nworkflow = "A"\ntask_queue = "q"\n[operations.a.input_schema.{schema}]\n')
    with pytest.raises(StartupError, match="'a': input_schema is nested deeper"):
        checked_catalogue(Settings(operations=str(path)))


def test_a_broken_folder_is_ignored_where_a_database_is_set(place: Path) -> None:
    """Also one of another user."""
    (place / "run.json").write_text("nonsense")
    settings = Settings(data_dir=str(place), database_url="postgresql://elsewhere/db")
    assert of_running_stack(settings) == settings


@pytest.fixture
def foreign(place: Path) -> Iterator[Path]:
    """Returns a data folder that this user may not enter, as one of another user."""
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
    """By every command that reads it."""
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


def test_an_unexpected_os_error_names_its_file_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An error without a file keeps its traceback."""

    def fail(error: Exception) -> None:
        monkeypatch.setattr(demo, "main", lambda: (_ for _ in ()).throw(error))
        cli(["demo"])

    with pytest.raises(SystemExit):
        fail(PermissionError(13, "Permission denied", "/some/file"))
    assert capsys.readouterr().err == "opledger: /some/file: Permission denied\n"
    with pytest.raises(RuntimeError):
        fail(RuntimeError("a mistake of ours"))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"pid", b"9" * 100_000])
def test_a_folder_with_an_unreadable_marker_is_in_use(tmp_path: Path, content: bytes) -> None:
    """The lock decides; the marker's text is only for the message."""
    with opened(tmp_path / "data"):
        (tmp_path / "data" / MARKER).write_bytes(content)
        with pytest.raises(StartupError, match=r"in use by another opledger \(pid (unknown|9+)\)"):
            data_folder.reset(tmp_path / "data")


@pytest.mark.parametrize("name", ["logs", "run", MARKER])
def test_a_part_of_the_folder_of_another_kind_is_named_or_replaced(tmp_path: Path, name: str) -> None:
    """A file instead of a folder, or the reverse."""
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
