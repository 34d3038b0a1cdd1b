"""A copy of the project in a folder of its own, to be changed and run there by the same interpreter."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.seeded_bugs.bug import Hunk

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("domain", "application", "adapters", "entrypoints", "migrations", "opledger", "tests")
WHERE = f"import {', '.join(PACKAGES)}; print(*({'.__file__, '.join(PACKAGES)}.__file__), sep='\\n')"


class DoesNotFit(Exception):
    """The hunk's old text does not stand in the file exactly once: the project has changed under it."""


def copy_project(to: Path) -> None:
    """Whatever belongs to the project: what git tracks, and what it would."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, to / name
        if source.is_file():  # not one that was deleted and is tracked still
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def apply(hunks: Iterable[Hunk], folder: Path) -> None:
    """Change the copy. Raises DoesNotFit."""
    for hunk in hunks:
        path = folder / hunk.path
        text = path.read_text()
        if text.count(hunk.old) != 1:
            raise DoesNotFit(f"{hunk.path} has {text.count(hunk.old)} times: {hunk.old!r}")
        path.write_text(text.replace(hunk.old, hunk.new))


def environment(folder: Path) -> dict[str, str]:
    """The project is installed where it stands; PYTHONPATH goes before that."""
    path = os.pathsep.join((str(folder), str(folder / "sdk" / "src")))
    return {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}


def check_imports(folder: Path) -> None:
    """Raises AssertionError unless every package comes from the copy, wherever a process is started."""
    for cwd in (folder, Path("/")):
        asked = subprocess.run(
            (sys.executable, "-c", WHERE), cwd=cwd, env=environment(folder), capture_output=True, text=True, check=True
        )
        for file in asked.stdout.split():
            assert Path(file).is_relative_to(folder), f"{file} was imported, which is not of the copy in {folder}"
