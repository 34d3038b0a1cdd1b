"""Temporal as the workflow engine. The operation's id is the request id of its start."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import WorkflowExecutionStartedEventAttributes
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    RequestCancelWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)
from temporalio.service import RPCError

from adapters.temporal.attach_callback import attach_callback
from adapters.temporal.completion_callback import check_callback
from adapters.temporal.connection.errors import engine_error, start_error, unknown_execution
from adapters.temporal.connection.raw_client import RawClient
from adapters.temporal.connection.rpc import START_TIMEOUT, call
from adapters.temporal.executions.chains import ChainLookup, first_run_id
from adapters.temporal.executions.close import observed_close, to_datetime
from adapters.temporal.executions.description import describe
from adapters.temporal.executions.history import PAGE as SHORT_HISTORY
from adapters.temporal.executions.history import RunHistory
from adapters.temporal.executions.index import PAGE, Index
from adapters.temporal.executions.input import read_input
from adapters.temporal.executions.observation import LatestRun, observation
from adapters.temporal.executions.operation_uuid import read_operation_uuid
from adapters.temporal.executions.pollers import Pollers
from adapters.temporal.executions.problem import find_problem
from adapters.temporal.payloads.payloads import PayloadReader
from adapters.temporal.start_request import start_request, workflow_context
from application.ports.clock import Clock
from application.ports.engine.executions import Attached, Execution, InputRead
from application.ports.engine.index import IndexEntry, IndexPage, StartPage, Watch
from application.ports.engine.workflow_engine import CompletionCallback, StartRequest
from domain.evidence.observation import OPEN, ExecutionState, Observation
from domain.operation.chain import Chain, Run, RunOrigin
from domain.operation.start.arguments import Arguments


class TemporalWorkflowEngine:
    """Implements the port with a client, connected or lazy. Every call has a timeout, see `rpc`."""

    def __init__(
        self, client: RawClient, clock: Clock, *, index_page: int = PAGE, pollers: Pollers | None = None
    ) -> None:
        """`index_page`: number of entries per request to the index."""
        self._client = client
        self._service = client.workflow_service
        self._clock = clock
        self._chains = ChainLookup(client)
        self._index = Index(client, index_page)
        self._pollers = pollers or Pollers(client)

    async def start(self, request: StartRequest) -> str:
        """See the port.

        The server's answer to a repeated request id (measured on 1.32): the same run, open or closed, while the latest
        run is the one that the request started or a reset of it. After continue-as-new or a workflow retry it is
        ALREADY_EXISTS. After the execution was deleted, the server starts a new one.
        """
        raw = await start_request(self._client, request)
        try:
            response = await call(self._service.start_workflow_execution, raw, START_TIMEOUT)
        except RPCError as error:
            raise start_error(error, with_callback=request.callback is not None) from error
        return response.run_id

    async def observe(self, chain: Chain, *, likely_closed: bool = False) -> Observation:
        """See the port. `started_at` is the start of the chain's first run, if the server still has it."""
        asked_at = self._clock.now()
        reader = self._reader(chain)
        if likely_closed and (closed := await self._short_close(chain, reader, asked_at)) is not None:
            return closed
        current = await self._chains.describe(chain.workflow_id)
        own = await self._chains.last_run(chain, current)
        if own is None:
            holder = None if current is None else first_run_id(current.workflow_execution_info)
            return Observation(ExecutionState.NOT_FOUND, asked_at, superseded_by=holder)
        latest = LatestRun(own, RunHistory(self._client, own.workflow_execution_info.execution))
        started_at = await self._chain_start(chain, latest)
        observed = await observation(latest, reader, asked_at=asked_at, started_at=started_at)
        if observed.state not in OPEN:
            return observed
        return replace(observed, problem=await find_problem(latest, observed, self._pollers, reader))

    async def _short_close(self, chain: Chain, reader: PayloadReader, asked_at: datetime) -> Observation | None:
        """The close, if the last events of the latest run contain all of it and its first event identifies the chain.

        A history request without a run id returns the latest run, like a description: also after a reset,
        continue-as-new or a retry (measured).
        """
        history = RunHistory(self._client, WorkflowExecution(workflow_id=chain.workflow_id))
        ending = await history.ending(page=SHORT_HISTORY)
        if ending.started is None or not _is_start_of(ending.started, chain):
            return None
        closed = await observed_close(ending, reader, asked_at)
        return closed and replace(closed, first_run_id=ending.started.first_execution_run_id)

    async def origin(self, run: Run) -> RunOrigin | None:
        """See the port."""
        return await self._chains.origin(run)

    async def describe(self, workflow_id: str, run_id: str | None = None) -> Execution | None:
        """See the port."""
        return await describe(self._client, self._chains, workflow_id, run_id)

    async def input_of(self, chain: Chain, arguments: Arguments, max_bytes: int) -> InputRead:
        """See the port."""
        first = await self._first_run(chain)
        history = RunHistory(self._client, WorkflowExecution(workflow_id=chain.workflow_id, run_id=first or ""))
        return await read_input(history, self._reader(chain), arguments, max_bytes)

    async def attach_callback(self, execution: Execution, callback: CompletionCallback) -> Attached:
        """See the port."""
        return await attach_callback(self._client, self._chains, execution, callback)

    async def changed_since(
        self,
        since: datetime,
        page: bytes | None = None,
        *,
        closed_only: bool = False,
        watched: Collection[str] = (),
    ) -> IndexPage:
        """See the port."""
        return await self._index.changed_since(since, page, closed_only=closed_only, watched=watched)

    async def started_since(
        self,
        since: datetime,
        watches: Collection[Watch],
        page: bytes | None = None,
        *,
        until: datetime | None = None,
    ) -> StartPage:
        """See the port."""
        return await self._index.started_since(since, watches, page, until)

    async def selects(self, watch: Watch, run_id: str) -> bool:
        """See the port."""
        return await self._index.selects(watch, run_id)

    async def with_problems(self, *, watched: Collection[str] = ()) -> list[IndexEntry]:
        """See the port."""
        return await self._index.with_problems(watched)

    async def cancel(self, chain: Chain, reason: str) -> None:
        """See the port. The server ignores a repeated request; the first reason stays."""
        first = await self._first_run(chain)
        if first is None:
            return
        request = RequestCancelWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=chain.workflow_id),
            first_execution_run_id=first,
            identity=self._client.identity,
            request_id=str(chain.operation_id),
            reason=reason,
        )
        try:
            await call(self._service.request_cancel_workflow_execution, request)
        except RPCError as error:
            _pass_unknown(error)

    async def terminate(self, chain: Chain, reason: str) -> None:
        """See the port."""
        first = await self._first_run(chain)
        if first is None:
            return
        request = TerminateWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=chain.workflow_id),
            first_execution_run_id=first,
            identity=self._client.identity,
            reason=reason,
        )
        try:
            await call(self._service.terminate_workflow_execution, request)
        except RPCError as error:
            _pass_unknown(error)

    async def ping(self) -> None:
        """See the port. Describes the namespace, so that a wrong namespace is found too."""
        request = DescribeNamespaceRequest(namespace=self._client.namespace)
        try:
            await call(self._service.describe_namespace, request)
        except RPCError as error:
            raise engine_error(error) from error

    async def check_callback(self, callback: CompletionCallback) -> None:
        """See the port."""
        await check_callback(self._client, callback)

    def _reader(self, chain: Chain) -> PayloadReader:
        context = workflow_context(self._client.namespace, chain.workflow_id)
        return PayloadReader(self._client.data_converter.with_context(context))

    async def _first_run(self, chain: Chain) -> str | None:
        return chain.first_run_id or (await self.observe(chain)).first_run_id

    async def _chain_start(self, chain: Chain, latest: LatestRun) -> datetime | None:
        """Start time of the chain's first run. A description contains only that of its own run (measured)."""
        if latest.has_previous_run:
            first = await self._chains.describe(chain.workflow_id, latest.info.first_run_id)
            if first is not None:
                return to_datetime(first.workflow_execution_info.start_time)
        return to_datetime(latest.info.start_time)


def _is_start_of(started: WorkflowExecutionStartedEventAttributes, chain: Chain) -> bool:
    """Whether the start event shows that its run belongs to the chain."""
    if chain.first_run_id is not None:
        return started.first_execution_run_id == chain.first_run_id
    return read_operation_uuid(started.search_attributes) == chain.operation_id


def _pass_unknown(error: RPCError) -> None:
    if not unknown_execution(error):
        raise engine_error(error) from error
