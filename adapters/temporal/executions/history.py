"""Reads a run's history where a description does not say enough: how it began, how it closed, why its task fails."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import (
    HistoryEvent,
    WorkflowExecutionCancelRequestedEventAttributes,
    WorkflowExecutionStartedEventAttributes,
)
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.temporal.connection.errors import engine_error, unknown_execution
from adapters.temporal.connection.rpc import call

PAGE = 50
MAX_BACKWARD_PAGES = 10
"""How far back the request for a cancellation and the failure of a workflow task are looked for."""
MAX_OPENING_EVENTS = 100
"""Events in which the first task's start is looked for; before it only signals and the like can stand."""
TASK_PROBLEMS = frozenset({EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT})


@dataclass(frozen=True, slots=True)
class Ending:
    """How a history ends."""

    last: HistoryEvent | None = None
    """None where the history is gone."""
    cancel_request: WorkflowExecutionCancelRequestedEventAttributes | None = None
    """Where the last event says that the run was canceled: who asked for that, and why."""
    started: WorkflowExecutionStartedEventAttributes | None = None
    """The run's first event, where the history is so short that it was read along."""


@dataclass(frozen=True, slots=True)
class Opening:
    """How a history begins."""

    task_started: bool
    """Whether a worker was given a task of this run."""
    previous_run: str = ""
    """The run that this one goes on from; empty: none."""
    previous_timed_out: bool = False
    """Whether it is a retry because that run timed out: then that one need not have been given to a worker either."""


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
        started: WorkflowExecutionStartedEventAttributes | None = None
        async for events in self._pages_backwards(page):
            if last is None:
                last = events[0]
                started = _started(events[-1])
            if last.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
                break
            for event in events:
                if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
                    return Ending(last, event.workflow_execution_cancel_requested_event_attributes, started)
        return Ending(last, started=started)

    async def task_problem(self) -> HistoryEvent | None:
        """The failure or time-out of the workflow task since one was last completed: the first in a row is all that
        the server keeps (measured)."""
        async for events in self._pages_backwards(PAGE):
            for event in events:
                if event.event_type in TASK_PROBLEMS:
                    return event
                if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                    return None
        return None

    def of_run(self, run_id: str) -> "RunHistory":
        """The history of another run of the same workflow id."""
        return RunHistory(self._client, WorkflowExecution(workflow_id=self._execution.workflow_id, run_id=run_id))

    async def opening(self) -> Opening | None:
        """The first events in one question; None where the history is gone."""
        request = GetWorkflowExecutionHistoryRequest(
            namespace=self._client.namespace, execution=self._execution, maximum_page_size=MAX_OPENING_EVENTS
        )
        try:
            response = await call(self._client.workflow_service.get_workflow_execution_history, request)
        except RPCError as error:
            if unknown_execution(error):
                return None
            raise engine_error(error) from error
        events = response.history.events
        if not events:
            return None
        began = events[0].workflow_execution_started_event_attributes
        return Opening(
            any(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED for event in events),
            began.continued_execution_run_id,
            began.continued_failure.HasField("timeout_failure_info"),
        )

    async def _pages_backwards(self, page: int) -> AsyncIterator[Sequence[HistoryEvent]]:
        """From the last event on, no page empty. The page token holds on to the run that the first answer was about
        (measured)."""
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._client.namespace, execution=self._execution, maximum_page_size=page
        )
        for _ in range(MAX_BACKWARD_PAGES):
            try:
                response = await call(self._client.workflow_service.get_workflow_execution_history_reverse, request)
            except RPCError as error:
                if unknown_execution(error):
                    return
                raise engine_error(error) from error
            if response.history.events:
                yield response.history.events
            if not response.next_page_token:
                return
            request.next_page_token = response.next_page_token
            request.maximum_page_size = PAGE


def next_run_id(last: HistoryEvent | None) -> str:
    """The run that goes on from a run with this last event: continued as new, or retried. Empty if there is none."""
    if last is None:
        return ""
    return (
        last.workflow_execution_continued_as_new_event_attributes.new_execution_run_id
        or last.workflow_execution_failed_event_attributes.new_execution_run_id
        or last.workflow_execution_timed_out_event_attributes.new_execution_run_id
        or last.workflow_execution_completed_event_attributes.new_execution_run_id
    )


def _started(event: HistoryEvent) -> WorkflowExecutionStartedEventAttributes | None:
    if event.event_type != EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
        return None
    return event.workflow_execution_started_event_attributes
