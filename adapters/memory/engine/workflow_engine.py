"""The workflow engine, in memory. It accepts and refuses what the real one does; a test plays the workers."""

import json
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from adapters.memory.engine.engine_controls import EngineControls
from adapters.memory.engine.executions import MemoryExecution, StartFields
from adapters.memory.engine.start_checks import check_callback, check_reuse, check_room, check_start
from application.ports.clock import Clock
from application.ports.engine.executions import UNPOLLED_QUEUE, Attached, AttachOutcome, Execution, InputRead
from application.ports.engine.index import IndexEntry, IndexPage, StartPage, Watch
from application.ports.engine.workflow_engine import (
    CallbackRefused,
    CallbacksExhausted,
    CompletionCallback,
    EngineUnavailable,
    StartRequest,
)
from domain.evidence.observation import OPEN, ExecutionProblem, ExecutionState, Observation
from domain.operation.attention import AttentionKind
from domain.operation.chain import Chain, Run, RunOrigin
from domain.operation.operation import MISSING
from domain.operation.start.arguments import Arguments, to_arguments, to_input

IDENTITY = "opledger@memory:0"
"""The actor of calls through the port."""
STRAY = "started by accident: the execution to which a callback was to be attached is gone"
"""The ledger's reason for the termination of a stray execution."""


class MemoryWorkflowEngine(EngineControls):
    """The port. Tests play the workers and everyone else by the inherited controls."""

    def __init__(self, clock: Clock, *, page_size: int = 1_000) -> None:
        super().__init__(clock, page_size=page_size)
        self.starts: list[StartRequest] = []
        """Every start that made an execution, with its input as sent."""

    async def start(self, request: StartRequest) -> str:
        """See the port."""
        self._check_reachable()
        if self._next_refusals:
            raise self._next_refusals.pop(0)
        check_start(request)
        if request.callback is not None:
            check_callback(request.callback, refused=self._refuses_callbacks)
        present = self._executions.get(request.workflow_id)
        request_id = str(request.operation_id)
        if present is None or present.request_id != request_id:
            check_reuse(present, request.on_closed)
            present = self._chains.begin(request.workflow_id, self._clock.now(), request_id, _fields(request))
            self.starts.append(_over_the_wire(request))
        if self._lose_next_reply:
            self._lose_next_reply = False
            raise EngineUnavailable("the engine did not answer within 10 s")
        return present.run_id

    async def observe(self, chain: Chain, *, likely_closed: bool = False) -> Observation:
        """See the port."""
        asked_at = self._clock.now()
        self._check_reachable()
        execution = self._chains.find(chain)
        if execution is None:
            current = self._executions.get(chain.workflow_id)
            superseded_by = None if current is None else current.first_run_id
            return Observation(ExecutionState.NOT_FOUND, asked_at, superseded_by=superseded_by)
        if chain.workflow_id in self._unknown:
            return Observation(
                ExecutionState.UNKNOWN,
                asked_at,
                started_at=execution.started_at,
                first_run_id=execution.first_run_id,
            )
        seen = execution.observed(asked_at, likely_closed=likely_closed)
        return seen if seen.state not in OPEN else replace(seen, problem=self._problem(execution))

    async def origin(self, run: Run) -> RunOrigin | None:
        """See the port."""
        self._check_reachable()
        return self._chains.origin(run)

    async def describe(self, workflow_id: str, run_id: str | None = None) -> Execution | None:
        """See the port."""
        self._check_reachable()
        found = self._executions.get(workflow_id) if run_id is None else self._chains.of_run(Run(workflow_id, run_id))
        if found is None or found.fields.task_queue == UNPOLLED_QUEUE:
            return None
        parent = found.fields.parent
        return Execution(
            workflow_id,
            found.run_id,
            found.first_run_id,
            found.fields.workflow_type,
            found.fields.task_queue,
            found.started_at,
            ExecutionState.UNKNOWN if workflow_id in self._unknown else found.state,
            found.operation_id,
            parent,
            Run(workflow_id, found.first_run_id) if parent is None else self._root(parent),
        )

    async def input_of(self, chain: Chain, arguments: Arguments, max_bytes: int) -> InputRead:
        """See the port."""
        self._check_reachable()
        found = self._chains.find(chain)
        if found is None:
            return InputRead(None, "the execution's history is gone")
        if found.fields.input_unreadable is not None:
            return InputRead(None, f"the input could not be read: {found.fields.input_unreadable}")
        if sum(len(json.dumps(value, separators=(",", ":"))) for value in found.fields.arguments) > max_bytes:
            return InputRead(None, f"the input is larger than {max_bytes} bytes")
        return InputRead(*to_input(found.fields.arguments, arguments))

    async def attach_callback(self, execution: Execution, callback: CompletionCallback) -> Attached:
        """See the port."""
        self._check_reachable()
        try:
            check_callback(callback, refused=self._refuses_callbacks)
        except CallbackRefused as refusal:
            return Attached(AttachOutcome.REFUSED, str(refusal))
        present = self._executions.get(execution.workflow_id)
        if present is None:
            fields = StartFields(execution.workflow_type, UNPOLLED_QUEUE, callback=callback)
            self._chains.begin(execution.workflow_id, self._clock.now(), callback.url, fields)
            self.terminate_from_outside(execution.workflow_id, STRAY, IDENTITY)
            return Attached(AttachOutcome.CLOSED, stray=True)
        if not present.open:
            return Attached(AttachOutcome.CLOSED, stray=present.request_id == callback.url)
        try:
            check_room(present, callback, self._max_callbacks)
        except CallbacksExhausted as limit:
            return Attached(AttachOutcome.FULL, str(limit))
        self._executions[execution.workflow_id] = present.with_callback(callback)
        own = present.first_run_id == execution.first_run_id
        return Attached(AttachOutcome.ATTACHED if own else AttachOutcome.CLOSED)

    async def changed_since(
        self,
        since: datetime,
        page: bytes | None = None,
        *,
        closed_only: bool = False,
        watched: Collection[str] = (),
    ) -> IndexPage:
        """See the port."""
        self._check_reachable()
        return self._index.changed_since(since, page, closed_only=closed_only, watched=watched)

    async def started_since(
        self,
        since: datetime,
        watches: Collection[Watch],
        page: bytes | None = None,
        *,
        until: datetime | None = None,
    ) -> StartPage:
        """See the port."""
        self._check_reachable()
        return self._index.started_since(since, watches, page, until)

    async def selects(self, watch: Watch, run_id: str) -> bool:
        """See the port."""
        self._check_reachable()
        return self._index.selects(watch, run_id)

    async def with_problems(self, *, watched: Collection[str] = ()) -> list[IndexEntry]:
        """See the port."""
        self._check_reachable()
        return self._index.with_problems(watched)

    async def cancel(self, chain: Chain, reason: str) -> None:
        """See the port."""
        self._check_reachable()
        current = self._executions.get(chain.workflow_id)
        if current is not None and current.belongs_to(chain):
            self.cancel_from_outside(chain.workflow_id, reason, IDENTITY)

    async def terminate(self, chain: Chain, reason: str) -> None:
        """See the port."""
        self._check_reachable()
        current = self._executions.get(chain.workflow_id)
        if current is not None and current.open and current.belongs_to(chain):
            self.terminate_from_outside(chain.workflow_id, reason, IDENTITY)

    async def ping(self) -> None:
        """See the port."""
        self._check_reachable()

    async def check_callback(self, callback: CompletionCallback) -> None:
        """See the port."""
        self._check_reachable()
        check_callback(callback, refused=self._refuses_callbacks)

    def _problem(self, execution: MemoryExecution) -> ExecutionProblem | None:
        """Returns why the execution makes no progress. An absent worker takes precedence."""
        if execution.fields.task_queue not in self._unpolled:
            return execution.problem
        waits_since = execution.latest_start if execution.state is ExecutionState.PENDING else None
        reason = f'no worker polls task queue "{execution.fields.task_queue}"'
        return ExecutionProblem(AttentionKind.NO_WORKER, reason, waits_since)

    def _root(self, parent: Run) -> Run:
        """Returns the first ancestor, as far as the engine knows it."""
        found = self._chains.of_run(parent)
        if found is None:
            return parent
        grandparent = found.fields.parent
        return Run(found.workflow_id, found.first_run_id) if grandparent is None else self._root(grandparent)

    def _check_reachable(self) -> None:
        if not self._up:
            raise EngineUnavailable("the engine cannot be reached: Connection refused")


def _fields(request: StartRequest) -> StartFields:
    sent = json.loads(json.dumps(to_arguments(request.input, request.type.arguments)))
    return StartFields(
        request.type.workflow,
        request.type.task_queue,
        tuple(sent),
        request.operation_id,
        request.outcome_reports,
        callback=request.callback,
    )


def _over_the_wire(request: StartRequest) -> StartRequest:
    if request.input is MISSING:
        return request
    return replace(request, input=json.loads(json.dumps(request.input)))
