"""The modules that a process has imported when it starts, third parties' own imports included."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
UNNEEDED = {
    "entrypoints.serve_api": {
        *("alembic", "mako", "migrations", "entrypoints.worker", "entrypoints.wiring.worker"),
        *("temporalio", "jwt", "authlib", "joserfc", "cryptography", "httpx", "rich", "pygments"),
        *("jsonschema_rs", "referencing"),
    },
    "entrypoints.run_worker": {
        *("alembic", "mako", "migrations", "jinja2", "litestar", "uvicorn", "entrypoints.http"),
        *("jwt", "authlib", "joserfc", "cryptography", "httpx", "rich", "pygments", "jsonschema_rs", "referencing"),
    },
    "entrypoints.serve_api, entrypoints.wiring.temporal": {"temporalio.client", "temporalio.worker", "jwt", "httpx"},
    "entrypoints.cli.main": {
        "asyncio",
        "asyncpg",
        "entrypoints.wiring",
        "litestar",
        "rich",
        "sqlalchemy",
        "temporalio",
    },
    "entrypoints.cli.up": {"alembic", "dependency_injector", "litestar", "sqlalchemy", "temporalio"},
}


def imported_by(module: str) -> set[str]:
    """The modules in a new interpreter after the import."""
    program = f"import sys, {module}; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(result.stdout.split())


@pytest.mark.parametrize("module", UNNEEDED)
def test_a_process_imports_nothing_that_it_does_not_need(module: str) -> None:
    """Each such import would delay its start."""
    assert imported_by(module) & UNNEEDED[module] == set()
