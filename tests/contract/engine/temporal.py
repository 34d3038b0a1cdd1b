"""The contract tests' world with a real Temporal server, and a worker made of raw calls."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from google.protobuf.duration_pb2 import Duration
from temporalio.api.command.v1 import (
    CancelWorkflowExecutionCommandAttributes,
    Command,
    CompleteWorkflowExecutionCommandAttributes,
    ContinueAsNewWorkflowExecutionCommandAttributes,
    FailWorkflowExecutionCommandAttributes,
    ScheduleActivityTaskCommandAttributes,
)
from temporalio.api.common.v1 import ActivityType, Payload, RetryPolicy, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import CommandType, WorkflowIdConflictPolicy, WorkflowTaskFailedCause
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DeleteWorkflowExecutionRequest,
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
    PollActivityTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RequestCancelWorkflowExecutionRequest,
    ResetWorkflowExecutionRequest,
    RespondActivityTaskCompletedRequest,
    RespondActivityTaskFailedRequest,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    TerminateWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.converter import PayloadConverter, encode_search_attributes

from adapters.temporal.executions.pollers import Pollers
from adapters.temporal.start_request import TRACE_HEADER
from adapters.temporal.workflow_engine import TemporalWorkflowEngine
from application.ports.engine.callback_reader import CallbackMessage
from application.ports.engine.workflow_engine import CompletionCallback
from domain.evidence.observation import CLOSED
from domain.json_value import JsonValue
from domain.operation.chain import Run
from opledger.search_attribute import OPERATION_UUID
from opledger.wire import MEMO
from tests.contract.engine.callback_receiver import CallbackReceiver
from tests.contract.engine.world import EngineWorld, WorkflowId
from tests.support.eventually import TIMEOUT, eventually
from tests.support.tcp_proxy import Proxy


class SystemClock:
    """The machine's clock, which the server uses too."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def payload(value: JsonValue) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())


def failure(message: str, kind: str = "ApplicationError") -> Failure:
    return Failure(message=message, application_failure_info=ApplicationFailureInfo(type=kind))


def duration(span: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(span)
    return message


class TemporalWorld(EngineWorld):
    """The engine connects through a proxy; the worker and other clients connect to the server directly."""

    quiet = 0.3  # a callback arrives after 10 to 30 ms (measured)

    def __init__(self, direct: Client, proxied: Client, proxy: Proxy, receiver: CallbackReceiver | None = None) -> None:
        self.client = direct
        self.proxy = proxy
        self.receiver = receiver
        self.service = direct.workflow_service
        pollers = Pollers(proxied, polled_ttl=timedelta(), unpolled_ttl=timedelta())
        self.engine = TemporalWorkflowEngine(proxied, SystemClock(), pollers=pollers)
        self.identity = proxied.identity
        self.first_runs = {}
        self._worked_on: set[str] = set()

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def history(self, workflow_id: WorkflowId) -> list[HistoryEvent]:
        response = await self.service.get_workflow_execution_history(
            GetWorkflowExecutionHistoryRequest(namespace="default", execution=self.execution(workflow_id)),
            retry=True,
        )
        return list(response.history.events)

    async def input_of(self, operation_id: UUID) -> list[JsonValue]:
        first = (await self.history(operation_id))[0]
        values = first.workflow_execution_started_event_attributes.input.payloads
        decoded: list[JsonValue] = await self.client.data_converter.decode(values)
        return decoded

    async def trace_of(self, operation_id: UUID) -> Mapping[str, str]:
        first = (await self.history(operation_id))[0]
        fields = first.workflow_execution_started_event_attributes.header.fields
        if TRACE_HEADER not in fields:
            return {}
        carried: dict[str, str] = PayloadConverter.default.from_payload(fields[TRACE_HEADER])
        return carried

    async def outcome_reports_of(self, operation_id: UUID) -> str | None:
        handle = self.client.get_workflow_handle(str(operation_id))
        terms = await (await handle.describe()).memo_value(MEMO, {})
        rule: str | None = terms.get("report_outcome")
        return rule

    async def pick_up(self, workflow_id: WorkflowId) -> None:
        await self.respond(await self.poll(workflow_id))
        self._worked_on.add(str(workflow_id))

    async def complete(self, workflow_id: WorkflowId, result: JsonValue) -> None:
        attributes = CompleteWorkflowExecutionCommandAttributes()
        attributes.result.payloads.append(payload(result))
        await self.close(workflow_id, complete_workflow_execution_command_attributes=attributes)

    async def fail(self, workflow_id: WorkflowId, message: str) -> None:
        attributes = FailWorkflowExecutionCommandAttributes(failure=failure(message))
        await self.close(workflow_id, fail_workflow_execution_command_attributes=attributes)

    async def acknowledge_cancel(self, workflow_id: WorkflowId) -> None:
        attributes = CancelWorkflowExecutionCommandAttributes()
        await self.close(workflow_id, cancel_workflow_execution_command_attributes=attributes)

    async def continue_as_new(self, workflow_id: WorkflowId) -> None:
        started = (await self.history(workflow_id))[0].workflow_execution_started_event_attributes
        attributes = ContinueAsNewWorkflowExecutionCommandAttributes(
            workflow_type=started.workflow_type,
            task_queue=TaskQueue(name=f"queue-{workflow_id}"),
            memo=started.memo,  # an SDK passes it on, the server does not
        )
        await self.close(workflow_id, continue_as_new_workflow_execution_command_attributes=attributes)

    async def retry_attempt(self, workflow_id: WorkflowId) -> None:
        await self.fail(workflow_id, "this attempt failed")

    async def time_out(self, workflow_id: WorkflowId) -> None:
        async def closed() -> bool:
            described = await self.engine.describe(str(workflow_id))
            return described is not None and described.state in CLOSED

        await eventually(closed)

    async def reset(self, workflow_id: WorkflowId) -> None:
        await self.service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace="default",
                workflow_execution=self.execution(workflow_id),
                workflow_task_finish_event_id=4,
                request_id=str(uuid4()),
                reason="for a test",
            ),
            retry=True,
        )
        self._worked_on.discard(str(workflow_id))

    async def start_from_outside(
        self,
        workflow_id: WorkflowId,
        *,
        workflow_type: str = "Work",
        arguments: Sequence[JsonValue] = (),
        readable: bool = True,
        team: str | None = None,
    ) -> Run:
        request = StartWorkflowExecutionRequest(
            namespace="default",
            workflow_id=str(workflow_id),
            request_id=str(uuid4()),
            workflow_type=WorkflowType(name=workflow_type),
            task_queue=TaskQueue(name=f"queue-{workflow_id}"),
        )
        request.input.payloads.extend(payload(value) for value in arguments)
        if not readable:
            for argument in request.input.payloads:
                argument.metadata["encoding"] = b"binary/encrypted"
        if team is not None:
            pair = SearchAttributePair(SearchAttributeKey.for_keyword("Team"), team)
            encode_search_attributes(TypedSearchAttributes([pair]), request.search_attributes)
        self._worked_on.discard(str(workflow_id))
        return Run(str(workflow_id), (await self.service.start_workflow_execution(request, retry=True)).run_id)

    async def supersede(self, workflow_id: WorkflowId, *, tagged: bool) -> None:
        request = StartWorkflowExecutionRequest(
            namespace="default",
            workflow_id=str(workflow_id),
            request_id=str(uuid4()),
            workflow_type=WorkflowType(name="Other"),
            task_queue=TaskQueue(name=f"queue-{workflow_id}"),
            workflow_id_conflict_policy=WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_TERMINATE_EXISTING,
        )
        if tagged:
            pair = SearchAttributePair(OPERATION_UUID, str(workflow_id))
            encode_search_attributes(TypedSearchAttributes([pair]), request.search_attributes)
        await self.service.start_workflow_execution(request, retry=True)
        self._worked_on.discard(str(workflow_id))

    async def latest_run(self, workflow_id: WorkflowId) -> Run:
        described = await self.service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(namespace="default", execution=self.execution(workflow_id)),
            retry=True,
        )
        return Run(str(workflow_id), described.workflow_execution_info.execution.run_id)

    async def terminate_from_outside(self, workflow_id: WorkflowId, reason: str, actor: str) -> None:
        await self.service.terminate_workflow_execution(
            TerminateWorkflowExecutionRequest(
                namespace="default", workflow_execution=self.execution(workflow_id), reason=reason, identity=actor
            ),
            retry=True,
        )

    async def cancel_from_outside(self, workflow_id: WorkflowId, reason: str, actor: str) -> None:
        await self.service.request_cancel_workflow_execution(
            RequestCancelWorkflowExecutionRequest(
                namespace="default", workflow_execution=self.execution(workflow_id), reason=reason, identity=actor
            ),
            retry=True,
        )

    async def delete(self, workflow_id: WorkflowId) -> None:
        """Only for an open execution: the server describes a closed one for half a minute after its deletion
        (measured)."""
        await self.service.delete_workflow_execution(
            DeleteWorkflowExecutionRequest(namespace="default", workflow_execution=self.execution(workflow_id)),
            retry=True,
        )

        async def gone() -> bool:
            return await self.engine.describe(str(workflow_id)) is None

        await eventually(gone)

    async def fail_tasks(self, workflow_id: WorkflowId, times: int, kind: str, message: str) -> None:
        for _ in range(times):
            task = await self.poll(workflow_id)
            await self.service.respond_workflow_task_failed(
                RespondWorkflowTaskFailedRequest(
                    namespace="default",
                    task_token=task.task_token,
                    cause=WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE,
                    failure=failure(message, kind),
                ),
                retry=True,
            )

    async def recover_task(self, workflow_id: WorkflowId) -> None:
        await self.pick_up(workflow_id)

    async def run_activity(self, workflow_id: WorkflowId, task_queue: str, interval: timedelta) -> None:
        """In its first task the workflow schedules the activity "ship", with this retry interval."""
        attributes = ScheduleActivityTaskCommandAttributes(
            activity_id="1",
            activity_type=ActivityType(name="ship"),
            task_queue=TaskQueue(name=task_queue),
            start_to_close_timeout=duration(timedelta(seconds=30)),
            retry_policy=RetryPolicy(initial_interval=duration(interval), backoff_coefficient=1),
        )
        command = Command(
            command_type=CommandType.COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK,
            schedule_activity_task_command_attributes=attributes,
        )
        await self.respond(await self.poll(workflow_id), command)
        self._worked_on.add(str(workflow_id))

    async def poll_activity(self, task_queue: str) -> bytes:
        """Polls the next attempt and returns its task token."""
        request = PollActivityTaskQueueRequest(
            namespace="default", task_queue=TaskQueue(name=task_queue), identity="worker"
        )
        task = await self.service.poll_activity_task_queue(request, timeout=timedelta(seconds=TIMEOUT), retry=True)
        assert task.task_token, "no task came"
        return task.task_token

    async def fail_attempts(self, task_queue: str, times: int, kind: str, message: str) -> None:
        for _ in range(times):
            token = await self.poll_activity(task_queue)
            request = RespondActivityTaskFailedRequest(
                namespace="default", task_token=token, failure=failure(message, kind), identity="worker"
            )
            await self.service.respond_activity_task_failed(request, retry=True)

    async def fail_activity(self, workflow_id: WorkflowId, times: int, kind: str, message: str) -> None:
        queue = f"queue-{workflow_id}"
        await self.run_activity(workflow_id, queue, timedelta(milliseconds=10))
        await self.fail_attempts(queue, times, kind, message)

    async def finish_activity(self, workflow_id: WorkflowId) -> None:
        token = await self.poll_activity(f"queue-{workflow_id}")
        await self.service.respond_activity_task_completed(
            RespondActivityTaskCompletedRequest(namespace="default", task_token=token, identity="worker"),
            retry=True,
        )

    async def without_worker(self, workflow_id: WorkflowId) -> None:
        """Nothing to do: only `poll` and `poll_activity` poll the queue."""

    def callback(self, operation_id: UUID) -> CompletionCallback:
        assert self.receiver is not None
        return CompletionCallback(self.receiver.url(operation_id), {"X-Token": f"token of {operation_id}"})

    def refused_callback(self, operation_id: UUID) -> CompletionCallback:
        return CompletionCallback(f"http://localhost:8080/{operation_id}", {})

    async def delivered(self, operation_id: UUID, count: int) -> list[CallbackMessage]:
        assert self.receiver is not None
        messages = self.receiver.messages[operation_id]

        async def arrived() -> bool:
            return len(messages) >= count

        await eventually(arrived)
        return list(messages)

    async def go_down(self) -> None:
        await self.proxy.down()

    async def come_back(self) -> None:
        await self.proxy.up()

    async def lose_next_reply(self) -> None:
        await self.engine.ping()
        self.proxy.lose_next_reply()

    def execution(self, workflow_id: WorkflowId) -> WorkflowExecution:
        return WorkflowExecution(workflow_id=str(workflow_id))

    async def poll(self, workflow_id: WorkflowId) -> PollWorkflowTaskQueueResponse:
        """Polls the next workflow task of this operation."""
        request = PollWorkflowTaskQueueRequest(
            namespace="default", task_queue=TaskQueue(name=f"queue-{workflow_id}"), identity="worker"
        )
        task = await self.service.poll_workflow_task_queue(request, timeout=timedelta(seconds=TIMEOUT), retry=True)
        assert task.task_token, "no task came"
        return task

    async def respond(self, task: PollWorkflowTaskQueueResponse, *commands: Command) -> None:
        await self.service.respond_workflow_task_completed(
            RespondWorkflowTaskCompletedRequest(
                namespace="default", task_token=task.task_token, commands=commands, identity="worker"
            ),
            retry=True,
        )

    async def close(self, workflow_id: WorkflowId, **attributes: object) -> None:
        """Completes the next workflow task with one command. A signal makes sure that there is a task."""
        [name] = attributes
        kind = CommandType.Value("COMMAND_TYPE_" + name.removesuffix("_command_attributes").upper())
        if str(workflow_id) in self._worked_on:
            await self.signal(workflow_id)
        command = Command(command_type=CommandType.ValueType(kind), **attributes)  # type: ignore[arg-type]
        await self.respond(await self.poll(workflow_id), command)
        self._worked_on.discard(str(workflow_id))

    async def signal(self, workflow_id: WorkflowId) -> None:
        await self.service.signal_workflow_execution(
            SignalWorkflowExecutionRequest(
                namespace="default", workflow_execution=self.execution(workflow_id), signal_name="wake"
            ),
            retry=True,
        )
