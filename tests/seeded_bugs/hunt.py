"""Plants a bug in a copy of the project and lets its detector loose on it."""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.seeded_bugs import scratch
from tests.seeded_bugs.bug import Bug, Campaign, Detector

LONGEST = 900
"""Seconds that one detector may take."""
FOUND = re.compile(r"^(?:VIOLATION|COMPLAINT|NOT THROUGH) (.+)$", re.MULTILINE)
ANY_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}:? ?")


@dataclass(frozen=True)
class Hunted:
    """What a detector made of a copy."""

    passed: bool
    violations: Sequence[str]
    """None where it passed, and none where it broke down by itself. The simulation stops at the first."""
    seconds: float
    last_words: str = ""


def hunt(bug: Bug | None, detector: Detector) -> Hunted:
    """With the bug, or without any."""
    folder = Path(tempfile.mkdtemp(prefix="opledger-bug-"))
    try:
        scratch.copy_project(folder)
        scratch.apply(bug.hunks if bug else (), folder)
        scratch.check_imports(folder)
        return _let_loose(detector, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _let_loose(detector: Detector, folder: Path) -> Hunted:
    command = [sys.executable, "-m", *detector.arguments]
    if isinstance(detector, Campaign):
        command += ["--folder", str(folder / "campaign")]
    began = time.monotonic()
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env=scratch.environment(folder),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Hunted(False, (), time.monotonic() - began, f"not over after {LONGEST} s")
    return Hunted(
        passed=ended.returncode == 0,
        violations=[ANY_ID.sub("", words) for words in FOUND.findall(ended.stdout)],
        seconds=time.monotonic() - began,
        last_words=f"{ended.stdout[-1500:]}\n{ended.stderr[-1500:]}",
    )
