"""Client side of the plugin: records the operation before a workflow is started."""

import asyncio
import dataclasses
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from temporalio.api.workflowservice.v1 import StartWorkflowExecutionResponse
from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    StartWorkflowUpdateWithStartInput,
    UpdateWithStartStartWorkflowInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)

from opledger._plugin.handles import remember_handle, remember_run
from opledger._plugin.start_description import Start
from opledger._plugin.start_internals import is_new, with_answers
from opledger._plugin.start_recorder import Recording, StartedRun, StartRecorder, is_missing_attribute
from opledger._tracking.identity import with_operation_id
from opledger.search_attribute import OPERATION_UUID
from opledger.wire import MEMO, OutcomeReports

_Start = TypeVar("_Start", bound=Start)
_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


class ClientInterceptor(Interceptor):
    """Intercepts starts. Schedules are not recorded: the server starts their workflows, and the worker's plugin tracks
    those."""

    def __init__(self, recorder: StartRecorder) -> None:
        self._recorder = recorder

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002
        """Adds the interceptor to a client."""
        return _ClientOutbound(next, self._recorder)


class _ClientOutbound(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, recorder: StartRecorder) -> None:  # noqa: A002
        super().__init__(next)
        self._recorder = recorder

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        if not self._recorder.records(input):
            return await self.next.start_workflow(input)
        recording = await self._recorder.record(input, signals=input.start_signal is not None)
        handle: WorkflowHandle[Any, Any] | None = None

        async def send(recording: Recording, start: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
            nonlocal handle
            handle = await self.next.start_workflow(start)
            run_id = handle.result_run_id or ""
            run = StartedRun(run_id, handle.first_execution_run_id or run_id, is_new(handle))
            named = await self._recorder.report_started(recording, start, run)
            remember_handle(handle, named or self._recorder.operation_of(recording, start, run))
            return handle

        return await self._start(recording, input, send, lambda: handle is not None)

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,  # noqa: A002
    ) -> WorkflowUpdateHandle[Any]:
        if not self._recorder.records(input.start_workflow_input):
            return await self.next.start_update_with_start_workflow(input)
        recording = await self._recorder.record(input.start_workflow_input, signals=False)
        # The answer to the start arrives before the update has ended, which may take long.
        reporting: dict[str, asyncio.Task[str | None]] = {}

        async def send(recording: Recording, start: UpdateWithStartStartWorkflowInput) -> WorkflowUpdateHandle[Any]:
            def on_start(response: StartWorkflowExecutionResponse) -> None:
                first_run_id = response.first_execution_run_id or response.run_id
                run = StartedRun(response.run_id, first_run_id, response.started)
                reporting[run.run_id] = asyncio.ensure_future(self._report(recording, start, run))

            def passes_on(error: BaseException) -> bool:
                return recording.new is None or not is_missing_attribute(error)  # else the start is tried again

            arguments = with_answers(input, start, on_start, passes_on)
            return await self.next.start_update_with_start_workflow(arguments)

        try:
            handle = await self._start(recording, input.start_workflow_input, send, lambda: bool(reporting))
        finally:
            operations = dict(zip(reporting, await asyncio.gather(*reporting.values()), strict=True))
        # temporalio repeats the request until the update is durable, and passes on the first answer alone. The update
        # may have reached the execution that took over the workflow id meanwhile.
        remember_handle(handle, operations.get(handle.workflow_run_id or ""))
        return handle

    async def _report(self, recording: Recording, start: Start, run: StartedRun) -> str | None:
        """Reports the start, and returns the operation of the run. The handle of the workflow exists before that."""
        operation_id = self._recorder.operation_of(recording, start, run)
        if operation_id is not None:
            remember_run(run.run_id, operation_id)
        named = await self._recorder.report_started(recording, start, run)
        if named is not None:
            remember_run(run.run_id, named)
        return named or operation_id

    async def _start(
        self,
        recording: Recording,
        start: _Start,
        send: Callable[[Recording, _Start], Awaitable[_Result]],
        has_started: Callable[[], bool],
    ) -> _Result:
        """Starts the workflow as the recorded operation. If the namespace lacks the search attribute, starts it without
        an operation: tracking must not prevent a start."""
        try:
            return await send(recording, _marked(start, recording))
        except Exception as error:
            if has_started():
                raise
            await self._recorder.failed(recording, error)
            if recording.new is None or not is_missing_attribute(error):
                raise
            _log.error(
                "workflow %r starts without an operation: its namespace has no search attribute %s. The ledger's "
                "worker adds it to the ledger's namespace; this may be another one. %s",
                start.id,
                OPERATION_UUID.name,
                error,
            )
        return await send(Recording(ledger_answers=False), start)


def _marked(start: _Start, recording: Recording) -> _Start:
    """The start with the operation's id and the memo, if an operation was recorded for it.

    The memo says that the workflow never reports its outcome: the ledger learns it from Temporal.
    """
    if recording.new is None:
        return start
    return dataclasses.replace(
        start,
        search_attributes=with_operation_id(start.search_attributes, recording.new),
        memo={**(start.memo or {}), MEMO: {"report_outcome": OutcomeReports.NEVER.value}},
    )
