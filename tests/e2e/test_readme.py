"""The examples of README.md, run as they stand there."""

import os
import shlex
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.support.eventually import wait_until
from tests.support.pages import block
from tests.support.ports import free_port

PAGE = "README.md"
TIMEOUT = 60.0


@contextmanager
def process(folder: Path, *argv: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A process that is stopped at the end. Its output is shown if the test fails."""
    output = folder / f"{Path(argv[-1]).name}.log"
    with output.open("w") as log:
        started = subprocess.Popen(
            argv, cwd=folder, env={**os.environ, **environment}, stdout=log, stderr=log, text=True
        )
        try:
            yield started
        finally:
            started.send_signal(signal.SIGTERM)
            started.wait(30)
            print(output.read_text())


def replaced(text: str, addresses: Mapping[str, str]) -> str:
    """The text with other addresses."""
    for shown, used in addresses.items():
        text = text.replace(shown, used)
    return text


def first_of_list(shown: Any) -> Any:
    """The newest operation of a list; empty if it has none."""
    return next(iter(shown["items"]), {})


def read_until(
    url: str, wanted: dict[str, object], select: Callable[[Any], Any] = lambda shown: shown
) -> dict[str, object]:
    """What the URL answers, or what is selected of it, once its fields are as wanted."""

    def as_wanted() -> dict[str, object] | None:
        with suppress(httpx.HTTPError):
            seen: dict[str, object] = select(httpx.get(url, trust_env=False).json())
            return seen if wanted.items() <= seen.items() else None
        return None

    return wait_until(as_wanted, f"{url}: {wanted}", within=TIMEOUT, every=0.2)


def test_track_your_own_workflow(tmp_path: Path) -> None:
    """Copy and paste: the plugin's line tracks what its client starts, and what is submitted."""
    (tmp_path / "operations.toml").write_text(block(PAGE, "operations.toml"))
    api, temporal = free_port(), free_port()
    code, line = block(PAGE, "movers.py"), block(PAGE, "plugin")
    assert line in textwrap.dedent(code.partition("async def main() -> None:\n")[2])
    addresses = {"127.0.0.1:7233": f"127.0.0.1:{temporal}", "localhost:8080": f"localhost:{api}"}
    (tmp_path / "movers.py").write_text(replaced(code, addresses))
    up = [sys.executable, "-m", "entrypoints.cli.main", "up", "--ephemeral", "--port", str(api)]
    url = f"http://127.0.0.1:{api}"
    with process(tmp_path, *up, "--temporal-port", str(temporal)):
        read_until(f"{url}/readyz", {"status": "ready"})
        with process(tmp_path, sys.executable, "movers.py"):
            read = replaced(shlex.split(block(PAGE, "read"))[-1], addresses)
            started = read_until(f"http://{read}", {"status": "COMPLETED"}, first_of_list)
            submit = shlex.split(block(PAGE, "submit"))
            assert "localhost:8080/v1/operations" in submit
            headers = {"content-type": "application/json"}
            answer = httpx.post(f"{url}/v1/operations", content=submit[submit.index("-d") + 1], headers=headers)
            assert answer.status_code == 202, answer.text
            submitted = read_until(f"{url}/v1/operations/{answer.json()['id']}", {"status": "COMPLETED"})
    for done in (started, submitted):
        assert (done["type"], done["input"], done["result"]) == ("move-data", {"rows": 7}, {"moved": 7})
        assert done["progress"] == {"fraction": 1.0, "message": "moving part 4 of 4", "steps": []}
    assert started["execution"] == {"workflow_id": "move-7", "origin": "CLIENT"}
