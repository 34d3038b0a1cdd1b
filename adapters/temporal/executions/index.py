"""Lists executions with the server's index (visibility). The index is eventually consistent: it gives hints, never
evidence."""

import logging
from collections.abc import AsyncIterator, Collection, Iterable
from datetime import UTC, datetime, timedelta

from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import ListWorkflowExecutionsRequest, ListWorkflowExecutionsResponse
from temporalio.service import RPCError, RPCStatusCode

from adapters.temporal.connection.errors import engine_error
from adapters.temporal.connection.raw_client import RawClient
from adapters.temporal.connection.rpc import call
from adapters.temporal.executions.close import to_datetime
from adapters.temporal.executions.observation import STATES
from adapters.temporal.executions.operation_uuid import read_operation_uuid
from adapters.temporal.executions.query import is_closed, matchable, one_of, quoted, time
from application.ports.engine.executions import UNPOLLED_QUEUE
from application.ports.engine.index import IndexEntry, IndexPage, QueryRefused, StartedRun, StartPage, Watch
from domain.evidence.observation import ExecutionState
from opledger.search_attribute import OPERATION_UUID

PAGE = 250
"""Entries per request; the server accepts up to 1,000. On SQLite the server needs 0.2 to 0.8 ms per entry (measured)
and blocks its only connection meanwhile, also after the client has given up. Small requests end within the timeout."""
LIST_TIMEOUT = timedelta(seconds=10)
MAX_PAGES = 40
"""Maximum number of pages of executions with problems. If more workflows fail, the first ones are enough."""
PROBLEMS = "TemporalReportedProblems"
_ENDS = "ExecutionStatus != 'ContinuedAsNew'"

_log = logging.getLogger(__name__)


class Index:
    """The index of one namespace."""

    def __init__(self, client: RawClient, page_size: int = PAGE) -> None:
        self._client = client
        self._page_size = page_size
        self._lists_problems = True

    async def changed_since(
        self, since: datetime, page: bytes | None, *, closed_only: bool = False, watched: Collection[str] = ()
    ) -> IndexPage:
        """See the port. Returns all runs of a workflow id, oldest first: the index does not show to which chain a run
        belongs. The index lists a retried run as FAILED. Raises EngineUnavailable.
        """
        then = time(since)
        when = f"CloseTime > {then}" if closed_only else f"(CloseTime > {then} OR StartTime > {then})"
        try:
            response = await self._list(f"{_tracked(watched)} AND {_ENDS} AND {when}", page or b"")
        except RPCError as error:
            raise engine_error(error) from error
        entries = [_entry(info) for info in _by_start(response.executions)]
        return IndexPage(entries, response.next_page_token or None)

    async def started_since(
        self, since: datetime, watches: Collection[Watch], page: bytes | None, until: datetime | None
    ) -> StartPage:
        """See the port. Raises QueryRefused, EngineUnavailable."""
        if not watches:
            return StartPage([])
        when = f"StartTime > {time(since)}" + ("" if until is None else f" AND StartTime <= {time(until)}")
        selected = " OR ".join(_selection(watch) for watch in watches)
        response = await self._select(f"({selected}) AND {_ENDS} AND {when}", page or b"")
        runs = [_started(info) for info in _by_start(response.executions)]
        return StartPage(runs, response.next_page_token or None)

    async def selects(self, watch: Watch, run_id: str) -> bool:
        """See the port. Raises QueryRefused, EngineUnavailable."""
        response = await self._select(f"{_selection(watch)} AND RunId = {quoted(run_id)}", b"")
        return bool(response.executions)

    async def with_problems(self, watched: Collection[str]) -> list[IndexEntry]:
        """See the port. Empty on a server without the search attribute for problems. Raises EngineUnavailable."""
        try:
            found = [_entry(info) async for infos in self._problems(_tracked(watched)) for info in infos]
        except RPCError as error:
            if error.status is not RPCStatusCode.INVALID_ARGUMENT or PROBLEMS not in error.message:
                raise engine_error(error) from error
            if self._lists_problems:
                _log.warning("the engine does not list executions with problems: %s", error.message)
            self._lists_problems = False
            return []
        self._lists_problems = True
        return found

    async def _problems(self, tracked: str) -> AsyncIterator[Iterable[WorkflowExecutionInfo]]:
        token = b""
        for _ in range(MAX_PAGES):
            response = await self._list(f"{PROBLEMS} IS NOT NULL AND {tracked} AND ExecutionStatus = 'Running'", token)
            yield response.executions
            token = response.next_page_token
            if not token:
                return

    async def _select(self, query: str, token: bytes) -> ListWorkflowExecutionsResponse:
        """Lists by a query of the operations file. Raises QueryRefused, EngineUnavailable."""
        try:
            return await self._list(query, token)
        except RPCError as error:
            if error.status is RPCStatusCode.INVALID_ARGUMENT and "query" in error.message:
                raise QueryRefused(error.message) from error
            raise engine_error(error) from error

    async def _list(self, query: str, token: bytes) -> ListWorkflowExecutionsResponse:
        request = ListWorkflowExecutionsRequest(
            namespace=self._client.namespace, query=query, page_size=self._page_size, next_page_token=token
        )
        return await call(self._client.workflow_service.list_workflow_executions, request, LIST_TIMEOUT)


def _tracked(watched: Collection[str]) -> str:
    operations = f"{OPERATION_UUID.name} IS NOT NULL"
    return f"({operations} OR {one_of('WorkflowType', watched)})" if watched else operations


def _selection(watch: Watch) -> str:
    """The condition of one watch. Raises QueryRefused."""
    if not matchable(watch.workflow_type):
        reason = "quotation marks, backslashes and control characters match nothing in the index"
        raise QueryRefused(f"the workflow type {watch.workflow_type!r} cannot be watched: {reason}")
    of_type = f"WorkflowType = {quoted(watch.workflow_type)}"
    if watch.query is not None and not is_closed(watch.query):
        raise QueryRefused(f"invalid query: a parenthesis or a quotation mark has no counterpart: {watch.query}")
    return of_type if watch.query is None else f"({of_type} AND ({watch.query}))"


def _by_start(infos: Iterable[WorkflowExecutionInfo]) -> list[WorkflowExecutionInfo]:
    """Oldest first, without the executions that the ledger started by accident."""
    ours = (info for info in infos if info.task_queue != UNPOLLED_QUEUE)
    return sorted(ours, key=lambda info: info.start_time.ToNanoseconds())


def _entry(info: WorkflowExecutionInfo) -> IndexEntry:
    return IndexEntry(
        info.execution.workflow_id,
        info.execution.run_id,
        read_operation_uuid(info.search_attributes),
        STATES.get(info.status, ExecutionState.UNKNOWN),
        to_datetime(info.close_time),
    )


def _started(info: WorkflowExecutionInfo) -> StartedRun:
    return StartedRun(
        info.execution.workflow_id,
        info.execution.run_id,
        info.type.name,
        info.start_time.ToDatetime(UTC),
        STATES.get(info.status, ExecutionState.UNKNOWN),
        read_operation_uuid(info.search_attributes),
    )
