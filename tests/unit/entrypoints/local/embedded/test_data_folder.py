"""The data folder: whose it is, who uses it, what reset deletes."""

import os
from pathlib import Path

import pytest

from domain.errors import StartupError
from entrypoints.local.embedded import data_folder
from entrypoints.local.embedded.data_folder import MARKER, SOCKET_NAME, SOCKET_PATH_LIMIT, opened


def test_private_and_marked(tmp_path: Path) -> None:
    """0700 whatever it was, marked with the user's process id while in use."""
    place = tmp_path / "data"
    place.mkdir(mode=0o755)
    with opened(place) as folder:
        assert place.stat().st_mode & 0o777 == 0o700
        assert folder.logs.is_dir()
        assert (place / MARKER).read_text() == f"{os.getpid()}\n"


def test_one_at_a_time(tmp_path: Path) -> None:
    """The second gets an error that names the first; after the first it is free."""
    with opened(tmp_path / "data"):
        with pytest.raises(StartupError, match=rf"in use by another opledger \(pid {os.getpid()}\)"):
            opened(tmp_path / "data").__enter__()
        with pytest.raises(StartupError, match="in use"):
            data_folder.reset(tmp_path / "data")
    with opened(tmp_path / "data"):
        pass


def test_foreign_folder_is_not_used_or_reset(tmp_path: Path) -> None:
    """A folder with files that are not ours is neither used nor reset."""
    (tmp_path / "thesis.txt").write_text("draft")
    with pytest.raises(StartupError, match="not empty and not an opledger data folder"):
        opened(tmp_path).__enter__()
    with pytest.raises(StartupError, match="not an opledger data folder: nothing was deleted"):
        data_folder.reset(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "draft"


def test_file_in_place_of_the_folder_is_an_error(tmp_path: Path) -> None:
    """A file where the folder should be is said in one line."""
    (tmp_path / "file").touch()
    with pytest.raises(StartupError, match="cannot be used"):
        opened(tmp_path / "file").__enter__()


def test_reset_deletes_all_but_the_marker(tmp_path: Path) -> None:
    """Everything goes but the marker; what links point at stays."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    place = tmp_path / "data"
    with opened(place) as folder:
        folder.postgres.mkdir()
        (folder.postgres / "PG_VERSION").touch()
        (place / "link").symlink_to(outside)
    assert data_folder.reset(place)
    assert [entry.name for entry in place.iterdir()] == [MARKER]
    assert (outside / "kept").exists()
    assert not data_folder.reset(tmp_path / "none")


def test_socket_path_is_short(tmp_path: Path) -> None:
    """Inside the data folder where that is short enough, in a private temporary folder otherwise, gone at the end."""
    for place in (tmp_path / "d", tmp_path / ("long" * 30)):
        with opened(place) as folder:
            sockets = folder.socket_folder()
            assert len(os.fsencode(sockets / SOCKET_NAME)) <= SOCKET_PATH_LIMIT
            assert sockets.stat().st_mode & 0o777 == 0o700
        assert not sockets.exists()


def test_temporary_folder_is_removed_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a path: a temporary one, removed at the end, also after an error."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ZeroDivisionError), opened(None) as folder:
        1 / (folder.path.parent != tmp_path)
    assert not list(tmp_path.iterdir())
