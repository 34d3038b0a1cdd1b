"""The tests of the service in examples/deployer, as its team runs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pages import ROOT

EXAMPLE = ROOT / "examples/deployer"
CHECKS = {
    "tests": ("pytest", "-q", "-p", "no:cacheprovider"),
    "types": ("mypy", "--strict", "--no-incremental", "--config-file", "", "deployer", "tests"),
}


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS)
def test_example_passes_its_own_checks(check: str) -> None:
    """Nothing of this project's settings reaches them. The server that skips time is on the path."""
    variables = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    result = subprocess.run(
        [sys.executable, "-m", *CHECKS[check]], cwd=EXAMPLE, env=variables, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
