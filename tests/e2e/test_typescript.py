"""The TypeScript example of docs/other-languages.md: compiled as it stands there, and run beside `opledger up`."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pages import ROOT, block
from tests.support.stack import Stack
from tests.support.stack_ledger import Ledger, Shown, each_ran_once

pytestmark = pytest.mark.tools

PAGE = "docs/other-languages.md"
PACKAGES = ROOT / "tests" / "typescript" / "node_modules"
INSTALL = "npm install --prefix tests/typescript --no-package-lock"
TSCONFIG = {
    "compilerOptions": {
        "target": "es2022",
        "module": "node16",
        "outDir": "lib",
        "strict": True,
        "skipLibCheck": True,
        "types": ["node"],
    }
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example's JavaScript. The compiler checks its types."""
    assert shutil.which("node"), "node is not there: install Node.js 20 or later (apt-get install nodejs npm)"
    assert PACKAGES.is_dir(), f"the packages of the TypeScript example are not there: run `{INSTALL}`"
    folder = tmp_path_factory.mktemp("typescript")
    for name in ("ledger.ts", "workflows.ts", "worker.ts"):
        (folder / name).write_text(block(PAGE, name))
    (folder / "tsconfig.json").write_text(json.dumps(TSCONFIG))
    (folder / "node_modules").symlink_to(PACKAGES)
    compiler = subprocess.run(
        [PACKAGES / ".bin" / "tsc", "--project", "."], cwd=folder, capture_output=True, text=True, check=False
    )
    assert compiler.returncode == 0, compiler.stdout + compiler.stderr
    return folder


@pytest.fixture
def worker(compiled: Path, stack: Stack) -> Iterator[Path]:
    """A worker that runs the example's workflow; the file with what it writes."""
    output = compiled / "worker.log"
    with output.open("w") as log:
        process = subprocess.Popen(
            ["node", "lib/worker.js"],
            cwd=compiled,
            env={**os.environ, "TEMPORAL_ADDRESS": stack.temporal_address},
            stdout=log,
            stderr=log,
        )
        try:
            yield output
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def said(output: Path) -> str:
    """What the worker has written."""
    return output.read_text()


def has_progress(shown: Shown) -> bool:
    """Whether a report of its progress is on the row."""
    return shown["status"] == "RUNNING" and shown["progress"] is not None


async def test_typescript_workflow_is_tracked(worker: Path, stack: Stack, ledger: Ledger) -> None:
    """RUNNING, progress while it runs, which nothing but a report brings, and its end with the result."""
    answer = await ledger.http.post("/v1/operations", json={"type": "move-data-ts", "input": {"rows": 7}})
    assert answer.status_code == 202, answer.text
    operation_id = answer.json()["id"]
    [seen] = await ledger.until("progress", [operation_id], lambda shown: has_progress(shown) or shown["done"])
    assert seen["status"] == "RUNNING", f"{seen}\n{said(worker)}"
    assert seen["progress"]["message"].startswith("moving part ")
    [done] = await ledger.until_done(operation_id)
    assert (done["status"], done["result"], done["attention"]) == ("COMPLETED", {"moved": 7}, None)
    assert await ledger.path(operation_id) == ["ACCEPTED", "RUNNING", "COMPLETED"]
    assert "did not reach the ledger" not in said(worker)
    await each_ran_once(await stack.temporal(), [operation_id])
