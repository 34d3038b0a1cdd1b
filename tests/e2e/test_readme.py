"""The examples of README.md, run as they stand there."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.pages import block
from tests.support.ports import free_port

PAGE = "README.md"
PATIENCE = 60.0


@contextmanager
def process(folder: Path, *argv: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is stopped at the end."""
    with (folder / f"{Path(argv[-1]).name}.log").open("w") as log:
        started = subprocess.Popen(
            argv, cwd=folder, env={**os.environ, **environment}, stdout=log, stderr=log, text=True
        )
        try:
            yield started
        finally:
            started.send_signal(signal.SIGTERM)
            started.wait(30)


def eventually(url: str, wanted: dict[str, object]) -> dict[str, object]:
    """What the URL answers once its fields are as wanted."""
    deadline = time.monotonic() + PATIENCE
    seen: dict[str, object] = {}
    while time.monotonic() < deadline:
        try:
            seen = httpx.get(url, trust_env=False).json()
        except httpx.HTTPError:
            seen = {}
        if wanted.items() <= seen.items():
            return seen
        time.sleep(0.2)
    pytest.fail(f"{url}: wanted {wanted}, saw {seen}")


def test_declare_a_type_and_track_your_own_workflow(tmp_path: Path) -> None:
    """Copy and paste: operations.toml, worker.py, submit; the row shows progress and the result."""
    (tmp_path / "operations.toml").write_text(block(PAGE, "operations.toml"))
    (tmp_path / "worker.py").write_text(block(PAGE, "worker.py"))
    api, temporal = free_port(), free_port()
    up = [sys.executable, "-m", "entrypoints.cli.main", "up", "--ephemeral", "--port", str(api)]
    words = shlex.split(block(PAGE, "submit"))
    body = words[words.index("-d") + 1]
    url = f"http://127.0.0.1:{api}"
    with process(tmp_path, *up, "--temporal-port", str(temporal)):
        eventually(f"{url}/readyz", {"status": "ready"})
        with process(tmp_path, sys.executable, "worker.py", TEMPORAL_ADDRESS=f"127.0.0.1:{temporal}"):
            assert "localhost:8080/v1/operations" in words
            answer = httpx.post(f"{url}/v1/operations", content=body, headers={"content-type": "application/json"})
            assert answer.status_code == 202, answer.text
            done = eventually(f"{url}/v1/operations/{answer.json()['id']}", {"status": "COMPLETED"})
    assert done["result"] == {"moved": json.loads(body)["input"]["rows"]}
    assert done["progress"] == {"fraction": 1.0, "message": "moving part 4 of 4"}
