"""Reads from a run's history what a description lacks: its first events, its close, the failure of a workflow task."""

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
from temporalio.service import RPCError

from adapters.temporal.connection.errors import engine_error, unknown_execution
from adapters.temporal.connection.raw_client import RawClient
from adapters.temporal.connection.rpc import call

PAGE = 50
MAX_BACKWARD_PAGES = 10
"""Maximum number of pages that are searched backwards for a cancellation request or a failed workflow task."""
MAX_OPENING_EVENTS = 100
"""Number of first events that are searched for the start of the first workflow task. Only events such as signals can
come before it."""
TASK_PROBLEMS = frozenset({EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED, EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT})


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a history."""

    last: HistoryEvent | None = None
    """None if the server no longer has the history."""
    cancel_request: WorkflowExecutionCancelRequestedEventAttributes | None = None
    """Set if the last event is a cancellation: the request, with identity and cause."""
    started: WorkflowExecutionStartedEventAttributes | None = None
    """The run's first event, if it was on the page that was read."""


@dataclass(frozen=True, slots=True)
class Opening:
    """The beginning of a history."""

    task_started: bool
    """Whether a worker picked up a workflow task of this run."""
    previous_run: str = ""
    """The run that this run continues; empty: none."""
    previous_timed_out: bool = False
    """Whether this run is a retry after a timeout. Then possibly no worker picked up the previous run either."""


class RunHistory:
    """History of one run; without a run id, of the current run. A deleted history reads as empty."""

    def __init__(self, client: RawClient, execution: WorkflowExecution) -> None:
        self._client = client
        self._execution = execution

    async def ending(self, page: int = PAGE) -> Ending:
        """Reads the last event, and the cancellation request of a canceled run. One request, unless the run was
        canceled.

        Args:
            page: Number of events in the first request. The server returns whole batches, at least one (measured).
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
        """The failure or timeout of the workflow task after the last completed one. Of several in a row the server
        keeps only the first (measured)."""
        async for events in self._pages_backwards(PAGE):
            for event in events:
                if event.event_type in TASK_PROBLEMS:
                    return event
                if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                    return None
        return None

    def of_run(self, run_id: str) -> "RunHistory":
        """History of another run with the same workflow id."""
        return RunHistory(self._client, WorkflowExecution(workflow_id=self._execution.workflow_id, run_id=run_id))

    async def opening(self) -> Opening | None:
        """Reads the first events, in one request; None if the server no longer has the history."""
        events = await self._first_events(MAX_OPENING_EVENTS)
        if not events:
            return None
        began = events[0].workflow_execution_started_event_attributes
        return Opening(
            any(event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED for event in events),
            began.continued_execution_run_id,
            began.continued_failure.HasField("timeout_failure_info"),
        )

    async def start(self) -> WorkflowExecutionStartedEventAttributes | None:
        """Reads the first event; None if the server no longer has the history."""
        events = await self._first_events(1)
        return _started(events[0]) if events else None

    async def _first_events(self, limit: int) -> Sequence[HistoryEvent]:
        request = GetWorkflowExecutionHistoryRequest(
            namespace=self._client.namespace, execution=self._execution, maximum_page_size=limit
        )
        try:
            response = await call(self._client.workflow_service.get_workflow_execution_history, request)
        except RPCError as error:
            if unknown_execution(error):
                return ()
            raise engine_error(error) from error
        return response.history.events

    async def _pages_backwards(self, page: int) -> AsyncIterator[Sequence[HistoryEvent]]:
        """Pages from the last event backwards, without empty pages. The page token stays on the run of the first
        response (measured)."""
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
    """The run that continues a run with this last event (continued as new or retried); empty if there is none."""
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
