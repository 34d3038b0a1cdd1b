"""The pytest plugin. It imports nothing of the kit before a test asks for a fixture."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from opledger._testing.history import AssertHistory
    from opledger._testing.ledger import Ledger
    from opledger._testing.reports import LedgerReports


def pytest_collection_finish() -> None:
    """Lets workflows in the sandbox use the imported pytest.

    pytest rewrites the modules of every package that has a plugin, and rewritten modules import pytest: each run of a
    tracked workflow would load it again.
    """
    sandbox = sys.modules.get("temporalio.worker.workflow_sandbox")
    if sandbox is not None:
        sandbox.SandboxRestrictions.passthrough_modules_default.add("_pytest")


@pytest.fixture(scope="session")
def ledger_operations(pytestconfig: pytest.Config) -> Path:
    """File that declares the operation types: operations.toml in the folder of pytest's configuration.

    Override the fixture for another file.
    """
    return pytestconfig.rootpath / "operations.toml"


@pytest.fixture
def ledger(ledger_operations: Path) -> "Iterator[Ledger]":
    """A new ledger in memory for each test: the application of opledger-service, a clock and an engine."""
    from opledger._testing.open import open_ledger

    problem = None
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(open_ledger(ledger_operations))
        except (ImportError, ValueError) as error:
            problem = str(error)
        if problem is not None:
            pytest.fail(f"ledger: {problem}", pytrace=False)
        yield opened


@pytest.fixture
def assert_history(ledger: "Ledger") -> "AssertHistory":
    """Compares the history of an operation of `ledger` with the expected one."""
    from opledger._testing.history import AssertHistory

    return AssertHistory(ledger.client())


@pytest.fixture
def ledger_reports() -> "LedgerReports":
    """Records what tracked workflows report, in place of a ledger."""
    problem = None
    try:
        from opledger._testing.reports import LedgerReports
    except ImportError as error:
        problem = str(error)
    if problem is not None:
        pytest.fail(f"ledger_reports: {problem}", pytrace=False)
    return LedgerReports()
