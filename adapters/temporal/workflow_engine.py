"""Temporal as the workflow engine: workflow id and request id are the operation's id."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    RequestCancelWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.temporal.close import moment, observed_close
from adapters.temporal.completion_callback import check_callback
from adapters.temporal.errors import engine_error, start_error, unknown_execution
from adapters.temporal.history import RunHistory
from adapters.temporal.index import PAGE, Index
from adapters.temporal.observation import Latest, observation
from adapters.temporal.payloads import PayloadReader
from adapters.temporal.pollers import Pollers
from adapters.temporal.rpc import START_TIMEOUT, call
from adapters.temporal.start_request import start_request, workflow_context
from adapters.temporal.trouble import trouble
from application.ports.clock import Clock
from application.ports.workflow_engine import CompletionCallback, IndexPage, StartRequest
from domain.evidence import OPEN, ExecutionState, Observation


class TemporalWorkflowEngine:
    """The port on a client, connected or lazy. No call takes much longer than its time-out, see `rpc`."""

    def __init__(self, client: Client, clock: Clock, *, index_page: int = PAGE, pollers: Pollers | None = None) -> None:
        """`index_page`: entries that one question to the index asks for."""
        self._client = client
        self._service = client.workflow_service
        self._clock = clock
        self._index = Index(client, index_page)
        self._pollers = pollers or Pollers(client)

    async def start(self, request: StartRequest) -> None:
        """See the port.

        What the server does with the same request id (measured on 1.32): nothing, as long as the latest run is the
        one that the request made or a reset of it, closed or not; after continue-as-new and the workflow's own retry
        it answers ALREADY_EXISTS; after the execution was deleted it starts a new one.
        """
        raw = await start_request(self._client, request)
        try:
            await call(self._service.start_workflow_execution, raw, START_TIMEOUT)
        except RPCError as error:
            raise start_error(error, with_callback=request.callback is not None) from error

    async def observe(self, operation_id: UUID, *, likely_closed: bool = False) -> Observation:
        """See the port. `started_at` is the start of the chain's first run, where the server still has it.

        The history of a workflow id without a run id is the current run's, as a description is: after a reset,
        continue-as-new and a retry too (measured). So a close that its last event tells all about needs no more.
        """
        asked_at = self._clock.now()
        context = workflow_context(self._client.namespace, operation_id)
        reader = PayloadReader(self._client.data_converter.with_context(context))
        if likely_closed:
            history = RunHistory(self._client, WorkflowExecution(workflow_id=str(operation_id)))
            closed = await observed_close(await history.ending(page=1), reader, asked_at)
            if closed is not None:
                return closed
        description = await self._describe(operation_id)
        if description is None:
            return Observation(ExecutionState.NOT_FOUND, asked_at)
        execution = description.workflow_execution_info.execution
        latest = Latest(description, RunHistory(self._client, execution))
        started_at = await self._chain_start(operation_id, latest)
        seen = await observation(latest, reader, asked_at=asked_at, started_at=started_at)
        if seen.state not in OPEN:
            return seen
        return replace(seen, trouble=await trouble(latest, seen, self._pollers, reader))

    async def changed_since(
        self, since: datetime, page: bytes | None = None, *, closed_only: bool = False
    ) -> IndexPage:
        """See the port."""
        return await self._index.changed_since(since, page, closed_only=closed_only)

    async def with_problems(self) -> frozenset[UUID]:
        """See the port."""
        return await self._index.with_problems()

    async def cancel(self, operation_id: UUID, reason: str) -> None:
        """See the port. A repeat is nothing to the server; the first reason stays."""
        request = RequestCancelWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=str(operation_id)),
            identity=self._client.identity,
            request_id=str(operation_id),
            reason=reason,
        )
        try:
            await call(self._service.request_cancel_workflow_execution, request)
        except RPCError as error:
            _pass_unknown(error)

    async def terminate(self, operation_id: UUID, reason: str) -> None:
        """See the port."""
        request = TerminateWorkflowExecutionRequest(
            namespace=self._client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=str(operation_id)),
            identity=self._client.identity,
            reason=reason,
        )
        try:
            await call(self._service.terminate_workflow_execution, request)
        except RPCError as error:
            _pass_unknown(error)

    async def ping(self) -> None:
        """See the port. Asks for the namespace, so that a wrong one shows too."""
        request = DescribeNamespaceRequest(namespace=self._client.namespace)
        try:
            await call(self._service.describe_namespace, request)
        except RPCError as error:
            raise engine_error(error) from error

    async def check_callback(self, callback: CompletionCallback) -> None:
        """See the port."""
        await check_callback(self._client, callback)

    async def _describe(self, operation_id: UUID, run_id: str = "") -> DescribeWorkflowExecutionResponse | None:
        """The given run, or the latest; None if the server does not know it."""
        request = DescribeWorkflowExecutionRequest(
            namespace=self._client.namespace,
            execution=WorkflowExecution(workflow_id=str(operation_id), run_id=run_id),
        )
        try:
            return await call(self._service.describe_workflow_execution, request)
        except RPCError as error:
            if unknown_execution(error):
                return None
            raise engine_error(error) from error

    async def _chain_start(self, operation_id: UUID, latest: Latest) -> datetime | None:
        """When the first run started: a description has that of its own run only (measured)."""
        if latest.further_run:
            first = await self._describe(operation_id, latest.info.first_run_id)
            if first is not None:
                return moment(first.workflow_execution_info.start_time)
        return moment(latest.info.start_time)


def _pass_unknown(error: RPCError) -> None:
    if not unknown_execution(error):
        raise engine_error(error) from error
