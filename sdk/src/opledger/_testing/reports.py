"""Records what tracked workflows report, in place of a ledger."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from uuid import UUID

try:
    from temporalio import activity
    from temporalio.api.enums.v1 import IndexedValueType
    from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
    from temporalio.client import Client, WorkflowHandle
    from temporalio.common import SearchAttributePair, TypedSearchAttributes
    from temporalio.service import RPCError, RPCStatusCode
    from temporalio.worker import Worker
except ModuleNotFoundError:
    raise ImportError("reports of workflows need Temporal's SDK: pip install 'opledger[testing]'") from None

from opledger.search_attribute import OPERATION_UUID
from opledger.wire import (
    LEDGER_TASK_QUEUE,
    MEMO,
    UPDATE_ACTIVITY,
    OutcomeReports,
    ReportedProgress,
    StatusUpdate,
    UpdateKind,
    UpdateOutcome,
)

Reporting: TypeAlias = str | UUID | WorkflowHandle[Any, Any]
"""A workflow's handle, its id, or the id of its operation."""


class LedgerReports:
    """The ledger's side of a test of workflows: takes their reports by activity, and records them.

    It works on every `temporalio.testing.WorkflowEnvironment`, also on the one that skips time. Only reports by
    activity are recorded: those of the decorator, and of `OpledgerPlugin` without a URL.
    """

    def __init__(self) -> None:
        self._reports: list[StatusUpdate] = []
        self._changed = asyncio.Condition()

    @property
    def activities(self) -> list[Callable[..., Any]]:
        """The ledger's activities, for a worker of the test's own on the ledger's task queue."""
        return [self._update_operation_status]

    @asynccontextmanager
    async def listen(self, client: Client, *, ledger_task_queue: str = LEDGER_TASK_QUEUE) -> AsyncIterator[None]:
        """Takes reports inside an `async with` block, beside the worker of the workflows: registers the ledger's search
        attribute, and runs a worker on the ledger's task queue."""
        await self.register(client)
        async with Worker(client, task_queue=ledger_task_queue, activities=self.activities):
            yield

    async def register(self, client: Client) -> None:
        """Registers the ledger's search attribute on the server, which `start_options` need."""
        keyword = {OPERATION_UUID.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD}
        request = AddSearchAttributesRequest(search_attributes=keyword, namespace=client.namespace)
        try:
            await client.operator_service.add_search_attributes(request)
        except RPCError as error:
            if error.status is not RPCStatusCode.ALREADY_EXISTS:
                raise

    def start_options(
        self, operation_id: str | UUID | None = None, *, report_outcome: OutcomeReports = OutcomeReports.NEVER
    ) -> dict[str, Any]:
        """Arguments of `start_workflow` and `execute_workflow` with which a ledger starts a workflow: `id`,
        `search_attributes` and `memo`. The decorator reports only for workflows with these; the plugin needs none.

        Args:
            operation_id: Default: a new one.
            report_outcome: The ledger's rule for reports of outcomes. The default is that of a ledger with callbacks.
        """
        operation = str(operation_id or UUID(bytes=secrets.token_bytes(16), version=4))
        return {
            "id": operation,
            "search_attributes": TypedSearchAttributes([SearchAttributePair(OPERATION_UUID, operation)]),
            "memo": {MEMO: {"report_outcome": report_outcome.value}},
        }

    def of(self, workflow: Reporting) -> list[StatusUpdate]:
        """The recorded reports of a workflow, in the order of their arrival.

        No workflow waits for the report of its start: it may arrive late, or not at all if the workflow ends first.
        """
        named = workflow.id if isinstance(workflow, WorkflowHandle) else str(workflow)
        return [report for report in self._reports if named in _names(report)]

    def kinds(self, workflow: Reporting) -> list[UpdateKind]:
        """The kinds of these reports."""
        return [report.kind for report in self.of(workflow)]

    def progress(self, workflow: Reporting) -> list[ReportedProgress]:
        """The reported progress, in the order of its arrival."""
        return [report.progress for report in self.of(workflow) if report.progress is not None]

    async def until(self, workflow: Reporting, kind: UpdateKind, timeout: float = 10.0) -> StatusUpdate:  # noqa: ASYNC109
        """Waits for the first report of this kind, and returns it.

        Raises:
            TimeoutError: there is none after `timeout` seconds.
        """

        def found() -> StatusUpdate | None:
            return next((report for report in self.of(workflow) if report.kind is kind), None)

        try:
            async with asyncio.timeout(timeout), self._changed:
                report = await self._changed.wait_for(found)
        except TimeoutError:
            kinds = ", ".join(self.kinds(workflow)) or "none"
            raise TimeoutError(f"no report {kind.value!r} after {timeout:g} s; recorded: {kinds}") from None
        assert report is not None
        return report

    @activity.defn(name=UPDATE_ACTIVITY)
    async def _update_operation_status(self, update: StatusUpdate) -> UpdateOutcome:
        async with self._changed:
            self._reports.append(update)
            self._changed.notify_all()
        return UpdateOutcome.RECORDED


def _names(report: StatusUpdate) -> tuple[str, ...]:
    if report.execution is None:
        return (report.operation_id,)
    return (report.operation_id, report.execution.workflow_id)
