"""Whom PostgreSQL runs as."""

import os
from pathlib import Path

import pytest

from domain.errors import StartupError
from entrypoints.local.embedded.processes import privileges


def test_no_parent_folder_is_opened(tmp_path: Path) -> None:
    """The user nobody gets a folder only where it can be entered as things are; the error names what is closed."""
    closed = tmp_path / "closed"
    (closed / "data").mkdir(parents=True)
    closed.chmod(0o700)
    before = (closed / "data").stat()
    with pytest.raises(StartupError, match=r"cannot enter .*: choose another data folder"):
        privileges.hand_over(closed / "data", "nobody")
    privileges.hand_over(closed / "data", "same")
    privileges.hand_over(closed / "data", "namespace")
    assert (closed / "data").stat() == before
    assert closed.stat().st_mode & 0o777 == 0o700


def test_no_way_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root without user namespaces and without leave to change its user: one line with both ways out."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(privileges, "_possible", lambda _: False)
    with pytest.raises(StartupError, match="as another user, or set DATABASE_URL"):
        privileges.identity_for_postgres.__wrapped__()


def test_files_are_ours() -> None:
    """Ours always are."""
    assert os.geteuid() in privileges.our_users()
