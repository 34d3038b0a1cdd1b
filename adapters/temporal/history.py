"""Reads a run's history where describing it does not say enough: how it closed, whether it was ever taken up, and what
its workflow task trips over."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

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
"""How far back the request for a cancellation and the failure of a workflow task are looked for."""
LOOK_FORWARD = 100
"""Events in which the first task's start is looked for; before it only signals and the like can stand."""
TASK_PROBLEMS = frozenset({EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT})


@dataclass(frozen=True, slots=True)
class Ending:
    """How a history ends."""

    last: HistoryEvent | None = None
    """None where the history is gone."""
    cancel_request: WorkflowExecutionCancelRequestedEventAttributes | None = None
    """Where the last event says that the run was canceled: who asked for that, and why."""


class RunHistory:
    """One run's history; without a run id, the current run's. What was deleted meanwhile reads as empty."""

    def __init__(self, client: Client, execution: WorkflowExecution) -> None:
        self._client = client
        self._execution = execution

    async def ending(self, page: int = PAGE) -> Ending:
        """The last event, and what belongs to it. One question, unless the run was canceled.

        Args:
            page: How many events that question reads; the server gives whole batches, at least one (measured).
        """
        last: HistoryEvent | None = None
        async for event in self._backwards(page):
            if last is None:
                last = event
                if event.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
                    break
            elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
                return Ending(last, event.workflow_execution_cancel_requested_event_attributes)
        return Ending(last)

    async def task_problem(self) -> HistoryEvent | None:
        """The failure or time-out of the workflow task since one was last completed: the first in a row is all that
        the server keeps (measured)."""
        async for event in self._backwards(PAGE):
            if event.event_type in TASK_PROBLEMS:
                return event
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                break
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

    async def _backwards(self, page: int) -> AsyncIterator[HistoryEvent]:
        """From the last event on. The page token holds on to the run that the first answer was about (measured)."""
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._client.namespace, execution=self._execution, maximum_page_size=page
        )
        for _ in range(LOOK_BACK_PAGES):
            try:
                response = await call(self._client.workflow_service.get_workflow_execution_history_reverse, request)
            except RPCError as error:
                if unknown_execution(error):
                    return
                raise engine_error(error) from error
            for event in response.history.events:
                yield event
            if not response.next_page_token:
                return
            request.next_page_token = response.next_page_token
            request.maximum_page_size = PAGE
