"""The seeded bugs fit the project as it is; `make seeded-bugs` hunts them, which takes too long for every day."""

import ast
from pathlib import Path

import pytest

from tests.seeded_bugs.bug import Bug, Hunk
from tests.seeded_bugs.bugs import BUGS
from tests.seeded_bugs.scratch import ROOT, DoesNotFit, apply


def copied(bug: Bug, folder: Path) -> list[Path]:
    """The files that the bug changes, in that folder."""
    paths = sorted({hunk.path for hunk in bug.hunks})
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text((ROOT / path).read_text())
    return [folder / path for path in paths]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_bug_can_be_planted(bug: Bug, tmp_path: Path) -> None:
    """And what comes of it is still Python."""
    files = copied(bug, tmp_path)
    apply(bug.hunks, tmp_path)
    for file in files:
        assert file.read_text() != (ROOT / file.relative_to(tmp_path)).read_text()
        ast.parse(file.read_text())


def test_names_are_unique() -> None:
    """Each can be hunted alone."""
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 15


def test_a_hunk_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """A bug that was not planted would be one that escapes, or worse: one that something else catches."""
    (tmp_path / "a.py").write_text("x = 1\nx = 1\n")
    for old in ("x = 2", "x = 1"):
        with pytest.raises(DoesNotFit):
            apply([Hunk("a.py", old, "x = 3")], tmp_path)
