"""The README's examples, run as they stand there."""

import asyncio
import json
import os
import re
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

from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


def block(name: str) -> str:
    """The code block behind the mark `<!-- test: name -->`."""
    found = re.search(rf"<!-- test: {re.escape(name)} -->\n```\w*\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert found, f"the README has no block marked {name}"
    return found.group(1)


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
    (tmp_path / "operations.toml").write_text(block("operations.toml"))
    (tmp_path / "worker.py").write_text(block("worker.py"))
    api, temporal = free_port(), free_port()
    up = [sys.executable, "-m", "entrypoints.cli.main", "up", "--ephemeral", "--port", str(api)]
    words = shlex.split(block("submit"))
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


async def test_the_fakes() -> None:
    """The example prints what its comment says."""
    code = block("fakes")
    run = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await run.communicate()
    assert printed.decode().strip() == code.strip().rsplit("# ", 1)[1]


def test_every_setting_is_in_the_table() -> None:
    """A setting that nobody can find is not there."""
    from entrypoints.settings.settings import Settings

    table = (ROOT / "README.md").read_text().split("## Configuration")[1]
    for name in Settings.__struct_fields__:
        assert ("DATABASE_URL" if name == "database_url" else f"OPLEDGER_{name.upper()}") in table
