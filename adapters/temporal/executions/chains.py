"""Finds the executions of one workflow chain, whatever else was started under its workflow id."""

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.temporal.connection.errors import engine_error, unknown_execution
from adapters.temporal.connection.rpc import call
from adapters.temporal.executions.history import RunHistory, next_run_id
from adapters.temporal.executions.operation_uuid import read_operation_uuid
from domain.operation.chain import Chain, Run, RunOrigin
from opledger.wire import OPERATION_UUID

MAX_RUNS = 50
"""Runs of a closed chain that are followed one by one. The index finds the last one of a longer chain."""
MAX_LISTED = 20
"""Latest executions of an operation that the index is asked for."""
_MAY_CONTINUE = frozenset(
    {
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT,
        WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED,
    }
)
"""Closes after which the server may have started the chain's next run."""


class ChainLookup:
    """Descriptions of runs, by chain."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._service = client.workflow_service

    async def describe(self, workflow_id: str, run_id: str = "") -> DescribeWorkflowExecutionResponse | None:
        """The given run, or the latest; None if the server does not know it. Raises EngineUnavailable."""
        request = DescribeWorkflowExecutionRequest(
            namespace=self._client.namespace, execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
        )
        try:
            return await call(self._service.describe_workflow_execution, request)
        except RPCError as error:
            if unknown_execution(error):
                return None
            raise engine_error(error) from error

    async def belongs(self, described: DescribeWorkflowExecutionResponse, chain: Chain) -> bool:
        """Whether the run is one of the chain. Raises EngineUnavailable."""
        if chain.first_run_id is not None:
            return first_run_id(described.workflow_execution_info) == chain.first_run_id
        return (await self._origin(described)).operation_id == chain.operation_id

    async def origin(self, run: Run) -> RunOrigin | None:
        """See the engine port. Raises EngineUnavailable."""
        described = await self.describe(run.workflow_id, run.run_id)
        return None if described is None else await self._origin(described)

    async def last_run(
        self, chain: Chain, current: DescribeWorkflowExecutionResponse | None
    ) -> DescribeWorkflowExecutionResponse | None:
        """The chain's last run. None if nothing is left of it. Raises EngineUnavailable.

        Where another chain has the workflow id, the runs are followed from the first one. That is strongly consistent,
        as long as the server retains them. The index, which is asked otherwise, is not.

        Args:
            chain: The chain.
            current: The latest run under its workflow id.
        """
        if current is not None and await self.belongs(current, chain):
            return current
        last = await self._follow(chain)
        return await self._listed(chain) if last is None and current is not None else last

    async def _follow(self, chain: Chain) -> DescribeWorkflowExecutionResponse | None:
        """From the first run to the last; None where one of them is gone, or where they are many."""
        run_id = chain.first_run_id
        for _ in range(MAX_RUNS):
            if run_id is None:
                return None
            described = await self.describe(chain.workflow_id, run_id)
            if described is None:
                return None
            run_id = await self._following(described)
            if not run_id:
                return described
        return None

    async def _following(self, described: DescribeWorkflowExecutionResponse) -> str:
        """The run that a reset has made of it, or the next one; empty if it is the last."""
        if reset_run_id := described.workflow_extended_info.reset_run_id:
            return reset_run_id
        info = described.workflow_execution_info
        if info.status not in _MAY_CONTINUE:
            return ""
        return next_run_id((await RunHistory(self._client, info.execution).ending(page=1)).last)

    async def _listed(self, chain: Chain) -> DescribeWorkflowExecutionResponse | None:
        query = f"{OPERATION_UUID.name} = '{chain.operation_id}' AND WorkflowId = '{chain.workflow_id}'"
        request = ListWorkflowExecutionsRequest(namespace=self._client.namespace, query=query, page_size=MAX_LISTED)
        try:
            found = await call(self._service.list_workflow_executions, request)
        except RPCError as error:
            raise engine_error(error) from error
        for info in sorted(found.executions, key=lambda info: info.start_time.ToNanoseconds(), reverse=True):
            described = await self.describe(chain.workflow_id, info.execution.run_id)
            if described is not None and await self.belongs(described, chain):
                return described
        return None

    async def _origin(self, described: DescribeWorkflowExecutionResponse) -> RunOrigin:
        """A run that continued as new without the search attribute has that of the chain's first run."""
        info = described.workflow_execution_info
        first, tag = first_run_id(info), read_operation_uuid(info.search_attributes)
        if tag is None and first != info.execution.run_id:
            start = await self.describe(info.execution.workflow_id, first)
            tag = None if start is None else read_operation_uuid(start.workflow_execution_info.search_attributes)
        return RunOrigin(first, tag)


def first_run_id(info: WorkflowExecutionInfo) -> str:
    """Of the run's chain."""
    return info.first_run_id or info.execution.run_id
