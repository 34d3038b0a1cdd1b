"""The TypeScript examples of docs/other-languages.md: compiled as they stand there, and run beside `opledger up`."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pages import ROOT, block
from tests.support.stack.commands import Stack
from tests.support.stack.ledger import Ledger, Shown, each_ran_once
from tests.support.stack.page import Page

pytestmark = pytest.mark.tools

PAGE = "docs/other-languages.md"
SOURCES = ("ledger.ts", "workflows.ts", "worker.ts", "tracking.ts", "invoices.ts", "invoices-worker.ts")
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
    for name in SOURCES:
        (folder / name).write_text(block(PAGE, name))
    (folder / "tsconfig.json").write_text(json.dumps(TSCONFIG))
    (folder / "node_modules").symlink_to(PACKAGES)
    compiler = subprocess.run(
        [PACKAGES / ".bin" / "tsc", "--project", "."], cwd=folder, capture_output=True, text=True, check=False
    )
    assert compiler.returncode == 0, compiler.stdout + compiler.stderr
    return folder


@contextlib.contextmanager
def running(compiled: Path, stack: Stack, script: str) -> Iterator[Path]:
    """A worker; the file with what it writes."""
    output = compiled / f"{script}.log"
    with output.open("w") as log:
        process = subprocess.Popen(
            ["node", f"lib/{script}.js"],
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


@pytest.fixture
def worker(compiled: Path, stack: Stack) -> Iterator[Path]:
    """A worker that runs the workflows without an interceptor; the file with what it writes."""
    with running(compiled, stack, "worker") as output:
        yield output


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
    steps = [(step["name"], step["state"]) for step in done["progress"]["steps"]]
    assert steps == [("move", "COMPLETED"), ("verify", "COMPLETED")]
    assert (done["status"], done["result"], done["attention"]) == ("COMPLETED", {"moved": 7}, None)
    assert await ledger.path(operation_id) == ["ACCEPTED", "RUNNING", "COMPLETED"]
    assert "did not reach the ledger" not in said(worker)
    await each_ran_once(await stack.temporal(), [operation_id])


async def test_typescript_workflow_is_adopted_by_its_type_alone(worker: Path, stack: Stack, tmp_path: Path) -> None:
    """A client without the ledger starts it: `adopt = true` is enough for its input and its end."""
    page = Page(PAGE, stack, tmp_path)
    await page.start("start parcel")
    await page.ask("read parcel", "parcel")
    assert "opledger" not in said(worker)


async def test_typescript_interceptor_reports_progress(compiled: Path, stack: Stack, tmp_path: Path) -> None:
    """A report without an operation id makes the operation, of a type that is not declared."""
    page = Page(PAGE, stack, tmp_path)
    with running(compiled, stack, "invoices-worker") as output:
        await page.start("start invoice")
        await page.ask("read invoice", "invoice")
    assert "did not reach the ledger" not in said(output)
