"""Reads Temporal's executions: what its index lists, what it knows by id, and whatever run a history names."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from tests.chaos.checker.facts import Run
from tests.chaos.checker.reading.run_history import read_run

QUERY = 'WorkflowType != "ReconcileOperations"'
"""Every execution but those of the ledger's own schedule."""
PAGE = 250
AT_ONCE = 16
TIMEOUT = timedelta(minutes=5)
"""A list on SQLite costs up to a millisecond an entry, and waits for those that others have given up on."""


class Engine:
    """The collector. Closed runs are read once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._service = client.workflow_service
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._read: dict[tuple[str, str], Run] = {}

    async def runs(self, workflow_ids: Iterable[str], known: Iterable[tuple[str, str]]) -> list[Run]:
        """Every run that the index lists, the latest run of each workflow id, the known runs (workflow id and run id),
        and every run that the history of one of them names."""
        wanted = await self._listed() | set(known)
        latest = await asyncio.gather(*(self._latest(workflow_id) for workflow_id in workflow_ids))
        wanted |= {execution for execution in latest if execution is not None}
        found: dict[tuple[str, str], Run] = {}
        while wanted:
            runs = await asyncio.gather(*(self._run(*execution) for execution in wanted))
            found |= {(run.workflow_id, run.run_id): run for run in runs if run is not None}
            tried = wanted | found.keys()
            wanted = {(run.workflow_id, link) for run in runs if run for link in run.links} - tried
        return list(found.values())

    async def _listed(self) -> set[tuple[str, str]]:
        listed: set[tuple[str, str]] = set()
        token = b""
        while True:
            request = ListWorkflowExecutionsRequest(
                namespace=self._client.namespace, query=QUERY, page_size=PAGE, next_page_token=token
            )
            answer = await self._service.list_workflow_executions(request, retry=True, timeout=TIMEOUT)
            listed |= {(info.execution.workflow_id, info.execution.run_id) for info in answer.executions}
            token = answer.next_page_token
            if not token:
                return listed

    async def _latest(self, workflow_id: str) -> tuple[str, str] | None:
        request = DescribeWorkflowExecutionRequest(
            namespace=self._client.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
        )
        async with self._gate:
            try:
                answer = await self._service.describe_workflow_execution(request, retry=True, timeout=TIMEOUT)
            except RPCError as error:
                if error.status is RPCStatusCode.NOT_FOUND:
                    return None
                raise
        return workflow_id, answer.workflow_execution_info.execution.run_id

    async def _run(self, workflow_id: str, run_id: str) -> Run | None:
        if (known := self._read.get((workflow_id, run_id))) is not None:
            return known
        events: list[HistoryEvent] = []
        token = b""
        async with self._gate:
            while True:
                request = GetWorkflowExecutionHistoryRequest(
                    namespace=self._client.namespace,
                    execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
                    next_page_token=token,
                )
                try:
                    answer = await self._service.get_workflow_execution_history(request, retry=True, timeout=TIMEOUT)
                except RPCError as error:
                    if error.status is RPCStatusCode.NOT_FOUND:
                        return None
                    raise
                events += answer.history.events
                token = answer.next_page_token
                if not token:
                    break
        run = read_run(workflow_id, run_id, events)
        if not run.open:
            self._read[(workflow_id, run_id)] = run
        return run
