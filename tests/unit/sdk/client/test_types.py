"""The types of the client: type checkers accept a right program in strict mode, and find the errors of a wrong one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.javascript import package, project

SAMPLE = """
from collections.abc import Sequence
from datetime import timedelta
from opledger import AsyncClient, Client, DryRun, Durations, Event, Operation, Submission, Target

def run(client: Client) -> Operation:
    results = client.batch([Submission("deploy", {"machine": "m1"}, {"team": "a"})])
    made: Operation | None = results[0].operation
    assert made is not None
    for one in client.list(status=["RUNNING"], labels={"team": "a"}, page_size=10):
        name: str = one.type
    for event in client.events(made.id):
        last: Event = event
    found: DryRun = client.dry_run("cancel", type="deploy", status=["RUNNING"])
    action: Operation = client.confirm(found, "wrong release", force=True)
    outcomes: list[Target] = [*client.targets(action.id)]
    times: Durations = client.durations("deploy")
    slow: float | None = times.by_status[made.status].p99
    client.submit("deploy", delay=timedelta(hours=1), idempotency_key="k")
    return client.wait(made.id, timeout=10)

async def run_async() -> Sequence[str]:
    async with AsyncClient("https://ledger.example.com") as client:
        return [one.id async for one in client.as_completed(["a", "b"])]
"""
WRONG = """
from opledger import Client
client = Client("http://x")
client.list(stauts="RUNNING")
client.get(7)
client.dry_run("stop", type="deploy")
client.get("a").result_of
"""
WRONG_LINES = [4, 5, 6, 7]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The folder with both."""
    (tmp_path / "right.py").write_text(SAMPLE)
    (tmp_path / "wrong.py").write_text(WRONG)
    return tmp_path


@pytest.mark.slow
def test_mypy_checks_a_program(programs: Path) -> None:
    """With the package as it is installed."""
    options = ("--strict", "--no-incremental", "--config-file", "")
    command = [sys.executable, "-m", "mypy", *options, "right.py", "wrong.py"]
    result = subprocess.run(command, cwd=programs, capture_output=True, text=True, check=False)
    errors = [line.split(":")[:2] for line in result.stdout.splitlines() if ": error:" in line]
    assert errors == [["wrong.py", str(line)] for line in WRONG_LINES], result.stdout


@pytest.mark.tools
async def test_pyright_checks_a_program(programs: Path) -> None:
    """In strict mode, on the oldest Python that is supported."""
    project(programs)
    settings = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "include": ["*.py"]}
    (programs / "pyrightconfig.json").write_text(json.dumps({**settings, "reportUnusedVariable": False}))
    shown = await package(programs, "pyright", "--pythonpath", sys.executable, "--outputjson", accept=(0, 1))
    found = [one for one in json.loads(shown)["generalDiagnostics"] if one["severity"] == "error"]
    errors = {(Path(one["file"]).name, one["range"]["start"]["line"] + 1) for one in found}
    assert errors == {("wrong.py", line) for line in WRONG_LINES}, found
