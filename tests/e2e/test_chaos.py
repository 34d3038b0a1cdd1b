"""A short fault campaign: every class of fault once, and not one promise broken."""

import subprocess
import sys
from pathlib import Path

import pytest

from entrypoints.settings.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
CALLBACKS = "callback_url" in Settings.__struct_fields__


@pytest.mark.slow
@pytest.mark.timeout(620)
def test_a_short_campaign_breaks_no_promise(place: Path) -> None:
    """P1 to P4 and P6, by a checker that shares no code with the service. Longer ones: `make chaos`."""
    command = [sys.executable, "-m", "tests.chaos", "--operations", "200", "--minutes", "1.2", "--seed", "1"]
    command += ["--folder", str(place / "chaos"), *([] if CALLBACKS else ["--no-callbacks"])]
    campaign = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    evidence = place / "chaos" / "violations.txt"
    known = evidence.read_text()[:8000] if evidence.exists() else ""
    assert campaign.returncode == 0, f"{campaign.stdout[-8000:]}\n{campaign.stderr[-4000:]}\n{known}"
    assert campaign.stdout.count("PASSED") == 1
