"""The test kit: types of the fixtures `ledger`, `ledger_reports` and `assert_history`, and what they are made of."""

import contextlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opledger._testing.history import AssertHistory, Line, check_history
    from opledger._testing.ledger import Ledger, OperationRef
    from opledger._testing.open import open_ledger
    from opledger._testing.reports import LedgerReports

__all__ = ["AssertHistory", "Ledger", "LedgerReports", "Line", "OperationRef", "check_history", "open_ledger"]

_MODULES = {
    "opledger._testing.history": ("AssertHistory", "Line", "check_history"),
    "opledger._testing.ledger": ("Ledger", "OperationRef"),
    "opledger._testing.open": ("open_ledger",),
    "opledger._testing.reports": ("LedgerReports",),
}


def __getattr__(name: str) -> Any:
    """Imports what is used, when it is used, and past the sandbox: a module may hold workflows and their tests."""
    module = next((module for module, names in _MODULES.items() if name in names), None)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with _past_the_sandbox():
        return getattr(__import__(module, fromlist=[name]), name)


def _past_the_sandbox() -> contextlib.AbstractContextManager[None]:
    if "temporalio" not in sys.modules:
        return contextlib.nullcontext()
    from temporalio import workflow

    return workflow.unsafe.imports_passed_through()
