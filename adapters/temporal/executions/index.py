"""Lists executions with the server's index (visibility). The index is eventually consistent: it gives hints, never
evidence."""

import logging
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest, ListWorkflowExecutionsResponse
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from adapters.temporal.connection.errors import engine_error
from adapters.temporal.connection.rpc import call
from adapters.temporal.executions.close import to_datetime
from adapters.temporal.executions.observation import STATES
from adapters.temporal.executions.operation_uuid import read_operation_uuid
from application.ports.workflow_engine import IndexEntry, IndexPage
from domain.evidence.observation import ExecutionState
from opledger.wire import OPERATION_UUID

PAGE = 250
"""Entries per request; the server accepts up to 1,000. On SQLite the server needs 0.2 to 0.8 ms per entry (measured)
and blocks its only connection meanwhile, also after the client has given up. Small requests end within the timeout."""
LIST_TIMEOUT = timedelta(seconds=10)
MAX_PAGES = 40
"""Maximum number of pages of executions with problems. If more workflows fail, the first ones are enough."""
PROBLEMS = "TemporalReportedProblems"
_TRACKED = f"{OPERATION_UUID.name} IS NOT NULL"

_log = logging.getLogger(__name__)


class Index:
    """The index of one namespace."""

    def __init__(self, client: Client, page_size: int = PAGE) -> None:
        self._client = client
        self._page_size = page_size
        self._lists_problems = True

    async def changed_since(self, since: datetime, page: bytes | None, *, closed_only: bool = False) -> IndexPage:
        """See the port. Returns all runs of an operation, oldest first: the index does not show to which chain a run
        belongs. The index lists a retried run as FAILED. Raises EngineUnavailable.
        """
        then = since.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        when = f"CloseTime > '{then}'" if closed_only else f"(CloseTime > '{then}' OR StartTime > '{then}')"
        changed = f"ExecutionStatus != 'ContinuedAsNew' AND {when}"
        try:
            response = await self._list(f"{_TRACKED} AND {changed}", page or b"")
        except RPCError as error:
            raise engine_error(error) from error
        listed = sorted(response.executions, key=lambda info: info.start_time.ToNanoseconds())
        entries = [
            IndexEntry(operation_id, STATES.get(info.status, ExecutionState.UNKNOWN), to_datetime(info.close_time))
            for operation_id, info in _operations(listed)
        ]
        return IndexPage(entries, response.next_page_token or None)

    async def with_problems(self) -> frozenset[UUID]:
        """See the port. Empty on a server without the search attribute for problems. Raises EngineUnavailable."""
        try:
            found = {operation_id async for infos in self._problems() for operation_id, _ in _operations(infos)}
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT or PROBLEMS not in error.message:
                raise engine_error(error) from error
            if self._lists_problems:
                _log.warning("the engine does not list executions with problems: %s", error.message)
            self._lists_problems = False
            return frozenset()
        self._lists_problems = True
        return frozenset(found)

    async def _problems(self) -> AsyncIterator[Iterable[WorkflowExecutionInfo]]:
        token = b""
        for _ in range(MAX_PAGES):
            response = await self._list(f"{PROBLEMS} IS NOT NULL AND {_TRACKED} AND ExecutionStatus = 'Running'", token)
            yield response.executions
            token = response.next_page_token
            if not token:
                return

    async def _list(self, query: str, token: bytes) -> ListWorkflowExecutionsResponse:
        request = ListWorkflowExecutionsRequest(
            namespace=self._client.namespace, query=query, page_size=self._page_size, next_page_token=token
        )
        return await call(self._client.workflow_service.list_workflow_executions, request, LIST_TIMEOUT)


def _operations(infos: Iterable[WorkflowExecutionInfo]) -> Iterable[tuple[UUID, WorkflowExecutionInfo]]:
    """The executions that the ledger started. Others are left out: a child workflow with its parent's search attribute,
    and any workflow whose id happens to be a UUID."""
    for info in infos:
        operation_id = _canonical(info.execution.workflow_id)
        if operation_id is not None and read_operation_uuid(info.search_attributes) == operation_id:
            yield operation_id, info


def _canonical(text: str) -> UUID | None:
    try:
        value = UUID(text)
    except ValueError:
        return None
    return value if str(value) == text else None
