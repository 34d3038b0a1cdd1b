"""Reads a run's history where describing it does not say enough: how it closed, and whether it was ever taken up."""

from collections.abc import AsyncIterator

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent, WorkflowExecutionCancelRequestedEventAttributes
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.temporal.errors import engine_error, unknown_execution
from adapters.temporal.rpc import call

PAGE = 50
LOOK_BACK_PAGES = 10
"""How far back from its close the request for a cancellation is looked for."""
LOOK_FORWARD = 100
"""Events in which the first task's start is looked for; before it only signals and the like can stand."""


class RunHistory:
    """One run's history. What was deleted meanwhile reads as empty."""

    def __init__(self, client: Client, execution: WorkflowExecution) -> None:
        self._client = client
        self._execution = execution

    async def close_event(self) -> HistoryEvent | None:
        """The last event."""
        async for event in self._backwards(page=1):
            return event
        return None

    async def cancel_request(self) -> WorkflowExecutionCancelRequestedEventAttributes | None:
        """Who asked the run to stop, and why."""
        async for event in self._backwards(page=PAGE):
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
                return event.workflow_execution_cancel_requested_event_attributes
        return None

    async def taken_up(self) -> bool:
        """Whether a worker was ever given a task of it."""
        request = GetWorkflowExecutionHistoryRequest(
            namespace=self._client.namespace, execution=self._execution, maximum_page_size=LOOK_FORWARD
        )
        try:
            response = await call(self._client.workflow_service.get_workflow_execution_history, request)
        except RPCError as error:
            if unknown_execution(error):
                return False
            raise engine_error(error) from error
        started = EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED
        return any(event.event_type == started for event in response.history.events)

    async def _backwards(self, *, page: int) -> AsyncIterator[HistoryEvent]:
        token = b""
        for _ in range(LOOK_BACK_PAGES):
            request = GetWorkflowExecutionHistoryReverseRequest(
                namespace=self._client.namespace,
                execution=self._execution,
                maximum_page_size=page,
                next_page_token=token,
            )
            try:
                response = await call(self._client.workflow_service.get_workflow_execution_history_reverse, request)
            except RPCError as error:
                if unknown_execution(error):
                    return
                raise engine_error(error) from error
            for event in response.history.events:
                yield event
            token = response.next_page_token
            if not token:
                return
