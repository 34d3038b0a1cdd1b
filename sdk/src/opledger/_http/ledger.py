"""The part of a ledger that the plugin uses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from opledger.wire import StartReport, StatusUpdate


@dataclass(frozen=True)
class RecordedOperation:
    """Answer to a request to record an operation."""

    operation_id: str
    is_new: bool
    """False: the open operation under the workflow id, which already existed."""
    first_run_id: str | None = None
    """First run of the open operation's workflow chain; None: the ledger does not know it yet."""


class Reports(Protocol):
    """Takes reports."""

    async def report(self, report: StatusUpdate | StartReport, *, within: float) -> str | None:
        """Sends a report, and retries within the time in seconds.

        Returns:
            The id of the operation of the execution that a report of a start names; None if the ledger names none.

        Raises:
            LedgerUnavailable: no usable answer within the time.
            LedgerRefused: the ledger refused the report, or the API key (ApiKeyRefused).
        """
        ...


class Ledger(Reports, Protocol):
    """Takes reports, and records operations."""

    async def record(
        self, operation: Mapping[str, Any], *, within: float, idempotency_key: str | None = None
    ) -> RecordedOperation:
        """Records an operation before its workflow is started: one for each key. None: for each call. Raises as
        `report`."""
        ...

    def may_wait(self) -> bool:
        """Whether a caller may wait for the ledger now. False for a while after a call that had no answer."""
        ...
