"""The layers: the contracts hold, and each fails on an import that breaks it. Folders stay small."""

import ast
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = ("domain", "application", "adapters", "entrypoints", "sdk/src", "benchmarks", "docs", "tests")
MAX_MODULES = 15
ROOMS = sorted(
    f"application.{entry.stem}"
    for entry in (ROOT / "application").iterdir()
    if (entry / "__init__.py").exists() or (entry.suffix == ".py" and entry.stem != "__init__")
    if entry.stem not in {"batching", "ports"}
)
"""All of the application that adapters must not import: a new room is here as soon as its folder exists."""
VIOLATIONS = [
    ("layers", "application/watch/read.py", "import adapters.memory.store"),
    ("layers", "entrypoints/poller.py", "import migrations.versions"),
    ("layers", "migrations/env.py", "import entrypoints.settings.settings"),
    ("layers", "application/watch/read.py", "import migrations.versions"),
    ("domain-is-pure", "domain/operation/status.py", "import msgspec"),
    ("application-has-no-framework", "application/watch/read.py", "import sqlalchemy"),
    ("adapters-are-strangers", "adapters/memory/clock.py", "import adapters.system.clock"),
    ("wiring-alone-knows-adapters", "entrypoints/poller.py", "import adapters.memory.store"),
    ("http-and-worker-are-strangers", "entrypoints/worker/heartbeat.py", "import entrypoints.http.server.shutdown"),
    ("dashboard-and-worker-are-strangers", "entrypoints/worker/heartbeat.py", "import entrypoints.ui.dashboard"),
    ("dashboard-and-worker-are-strangers", "entrypoints/ui/dashboard.py", "import entrypoints.worker.heartbeat"),
    ("adapters-use-no-service", "adapters/memory/clock.py", f"import {', '.join(ROOMS)}"),
    ("adapters-use-the-wire-alone", "adapters/memory/clock.py", "import opledger.tracking"),
    ("api-is-a-process-of-its-own", "entrypoints/scrape.py", "import adapters.postgres.schema.migrations"),
    ("worker-is-a-process-of-its-own", "entrypoints/scrape.py", "import uvicorn"),
    ("acyclic", "domain/operation/status.py", "import domain.evidence.reporting"),
    ("sdk-stands-alone", "sdk/src/opledger/wire.py", "import domain.operation.status"),
    ("client-needs-no-temporal", "sdk/src/opledger/_client/setup.py", "import temporalio.client"),
    ("workflows-need-no-client", "sdk/src/opledger/tracking.py", "import opledger.errors, httpx"),
]
"""Contract, file, and the line that breaks the contract there."""


def lint(tree: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    """Run the import linter on a tree, on that tree's own packages."""
    chosen = [word for contract in contracts for word in ("--contract", contract)]
    program = (
        "import sys; sys.path[:0] = ['.', 'sdk/src']; from importlinter.cli import lint_imports_command as run; run()"
    )
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache", *chosen], cwd=tree, capture_output=True, text=True, check=False
    )


def copy(tree: Path) -> Path:
    """A copy of the code that the contracts speak of."""
    for name in ("domain", "application", "adapters", "entrypoints", "migrations", "sdk"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "static"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


def contracts() -> dict[str, Any]:
    """The declared contracts by id."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    return {contract["id"]: contract for contract in declared}


def test_the_contracts_hold(tmp_path: Path) -> None:
    """import-linter finds no broken contract in the code as it is."""
    result = lint(copy(tmp_path))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(("contract", "file", "line"), VIOLATIONS)
def test_each_contract_fails_on_a_violation(contract: str, file: str, line: str, tmp_path: Path) -> None:
    """A contract that cannot fail holds nothing."""
    target = copy(tmp_path) / file
    target.write_text(target.read_text() + f"\n{line}\n")
    result = lint(tmp_path, contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "1 broken" in result.stdout


def test_adapters_may_import_no_room_of_the_application(tmp_path: Path) -> None:
    """The linter names each room that the violation imports."""
    [(file, line)] = [(file, line) for contract, file, line in VIOLATIONS if contract == "adapters-use-no-service"]
    target = copy(tmp_path) / file
    target.write_text(target.read_text() + f"\n{line}\n")
    output = lint(tmp_path, "adapters-use-no-service").stdout
    assert [room for room in ROOMS if f"adapters is not allowed to import {room}:" not in output] == []


def test_domain_imports_the_standard_library_alone() -> None:
    """The contract lists what is installed today; this holds for what is installed tomorrow."""
    for file in (ROOT / "domain").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] in {*sys.stdlib_module_names, "domain"}, f"{file}: {name}"


def test_every_contract_has_a_violation() -> None:
    """A new contract needs its own proof."""
    assert set(contracts()) == {contract for contract, _, _ in VIOLATIONS}


def test_contracts_name_every_room_and_every_adapter() -> None:
    """So a new folder cannot be forgotten."""
    assert contracts()["adapters-use-no-service"]["forbidden_modules"] == ROOMS
    adapters = sorted(f"adapters.{entry.parent.name}" for entry in (ROOT / "adapters").glob("*/__init__.py"))
    assert contracts()["adapters-are-strangers"]["modules"] == adapters


def test_no_folder_holds_more_modules_than_a_reader_takes_in() -> None:
    """Where a folder outgrows the limit, its files are sorted into folders by subject."""
    files = (file for name in CODE for file in (ROOT / name).rglob("*.py") if "node_modules" not in file.parts)
    modules = Counter(file.parent for file in files if file.stem not in {"__init__", "__main__", "conftest"})
    assert {folder: many for folder, many in modules.items() if many > MAX_MODULES} == {}
