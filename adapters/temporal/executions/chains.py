"""Finds the runs of a workflow chain, also if another chain has the same workflow id."""

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    ListWorkflowExecutionsRequest,
)
from temporalio.service import RPCError

from adapters.temporal.connection.errors import engine_error, unknown_execution
from adapters.temporal.connection.raw_client import RawClient
from adapters.temporal.connection.rpc import call
from adapters.temporal.executions.history import RunHistory, next_run_id
from adapters.temporal.executions.operation_uuid import read_operation_uuid
from adapters.temporal.executions.query import quoted
from domain.operation.chain import Chain, Run, RunOrigin
from opledger.search_attribute import OPERATION_UUID

MAX_RUNS = 50
"""Maximum number of runs of a closed chain that are followed one by one. For a longer chain the index finds the last
run."""
MAX_LISTED = 20
"""Maximum number of executions in a request to the index."""
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
    """Describes the runs of chains."""

    def __init__(self, client: RawClient) -> None:
        self._client = client
        self._service = client.workflow_service

    async def describe(self, workflow_id: str, run_id: str = "") -> DescribeWorkflowExecutionResponse | None:
        """Describes the given run, or the latest one; None if the server does not know it. Raises EngineUnavailable."""
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
        """Whether the run belongs to the chain. Raises EngineUnavailable."""
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
        """The chain's last run; None if the server no longer has it. Raises EngineUnavailable.

        If another chain has the workflow id, this follows the runs from the first one, which is strongly consistent
        while the server retains them. Otherwise it asks the index, which is eventually consistent.

        Args:
            chain: The chain.
            current: The latest run with its workflow id.
        """
        if current is not None and await self.belongs(current, chain):
            return current
        last = None
        if chain.first_run_id is not None:
            last = await self._follow(chain.workflow_id, chain.first_run_id)
        return await self._listed(chain) if last is None and current is not None else last

    async def latest_from(self, run: Run) -> DescribeWorkflowExecutionResponse | None:
        """The last run of this run's chain; None if the server does not know the run. One request if the run is the
        latest one with its workflow id. If another chain has the workflow id, and the server no longer has the last run
        or more than MAX_RUNS runs follow: the run itself. Raises EngineUnavailable."""
        current = await self.describe(run.workflow_id)
        if current is not None and current.workflow_execution_info.execution.run_id == run.run_id:
            return current
        described = await self.describe(run.workflow_id, run.run_id)
        if described is None:
            return None
        if current is not None and _of_one_chain(current, described):
            return current
        return await self._follow(run.workflow_id, run.run_id) or described

    async def _follow(self, workflow_id: str, run_id: str) -> DescribeWorkflowExecutionResponse | None:
        """Follows the runs from this one to the last; None if one is missing, or for more than MAX_RUNS."""
        for _ in range(MAX_RUNS):
            described = await self.describe(workflow_id, run_id)
            if described is None:
                return None
            run_id = await self._following(described)
            if not run_id:
                return described
        return None

    async def _following(self, described: DescribeWorkflowExecutionResponse) -> str:
        """Id of the run that a reset started from it, or of the next run; empty for the last run."""
        if reset_run_id := described.workflow_extended_info.reset_run_id:
            return reset_run_id
        info = described.workflow_execution_info
        if info.status not in _MAY_CONTINUE:
            return ""
        return next_run_id((await RunHistory(self._client, info.execution).ending(page=1)).last)

    async def _listed(self, chain: Chain) -> DescribeWorkflowExecutionResponse | None:
        """Finds the last run by the search attribute. Adopted executions do not have it, nor do runs that continued as
        new without it: if the first run is known, the latest runs with the workflow id are tried too."""
        ends = f"WorkflowId = {quoted(chain.workflow_id)} AND ExecutionStatus != 'ContinuedAsNew'"
        found = await self._last_of(f"{OPERATION_UUID.name} = '{chain.operation_id}' AND {ends}", chain)
        return await self._last_of(ends, chain) if found is None and chain.first_run_id is not None else found

    async def _last_of(self, query: str, chain: Chain) -> DescribeWorkflowExecutionResponse | None:
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
        """The chain of a run. A run that continued as new without the search attribute takes the first run's."""
        info = described.workflow_execution_info
        first, operation_id = first_run_id(info), read_operation_uuid(info.search_attributes)
        if operation_id is None and first != info.execution.run_id:
            start = await self.describe(info.execution.workflow_id, first)
            if start is not None:
                operation_id = read_operation_uuid(start.workflow_execution_info.search_attributes)
        return RunOrigin(first, operation_id)


def first_run_id(info: WorkflowExecutionInfo) -> str:
    """First run id of the run's chain."""
    return info.first_run_id or info.execution.run_id


def _of_one_chain(run: DescribeWorkflowExecutionResponse, other: DescribeWorkflowExecutionResponse) -> bool:
    return first_run_id(run.workflow_execution_info) == first_run_id(other.workflow_execution_info)
