"""A workflow chain in memory and its events."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from application.ports.engine.workflow_engine import CompletionCallback
from domain.evidence.finality import OutcomeReports
from domain.evidence.observation import OPEN, ExecutionProblem, ExecutionState, Observation
from domain.json_value import JsonValue, clean_text, not_finite_note, strict_json
from domain.operation.chain import Chain, Run
from domain.operation.operation_error import ErrorCode, OperationError

BY_LAST_EVENT = frozenset(
    {ExecutionState.COMPLETED, ExecutionState.FAILED, ExecutionState.CANCELED, ExecutionState.TERMINATED}
)
"""Closes that the real engine describes by the run's last event, which does not say when the chain started."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A cancellation request or a termination."""

    reason: str
    actor: str
    superseded_by: str | None = None
    """The first run of the chain that replaced it."""


@dataclass(frozen=True, slots=True)
class StartFields:
    """The fields of a start that hold for the whole chain."""

    workflow_type: str
    task_queue: str = ""
    arguments: tuple[JsonValue, ...] = ()
    operation_id: UUID | None = None
    """The search attribute `OperationUUID`."""
    outcome_reports: OutcomeReports | None = None
    """The rule in the memo. None: another client started it."""
    parent: Run | None = None
    """The run that started it as a child."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Other search attributes."""
    input_unreadable: str | None = None
    """Why the ledger cannot decode the arguments."""
    callback: CompletionCallback | None = None
    """The callback of the start."""


@dataclass(frozen=True, slots=True)
class MemoryExecution:
    """The latest run of a chain. Frozen: every event returns the execution after it, or raises ValueError if the real
    engine would refuse it."""

    workflow_id: str
    fields: StartFields
    started_at: datetime
    """When the chain's first run started."""
    request_id: str | None
    """The request id of the latest run. None after continue-as-new and retry."""
    first_run_id: str
    run_id: str
    """The latest run."""
    state: ExecutionState = ExecutionState.PENDING
    closed_at: datetime | None = None
    result: JsonValue = None
    """As the workflow returned it, with NaN and the infinities."""
    result_unreadable: str | None = None
    error: OperationError | None = None
    actor: str | None = None
    cancel_request: Ending | None = None
    attached: tuple[CompletionCallback, ...] = ()
    """Callbacks of the whole chain that were attached after the start."""
    run_started_at: datetime | None = None
    """When the latest run started. None: it is the first run."""
    never_picked_up: bool = False
    """Whether it closed before a worker picked it up."""
    problem: ExecutionProblem | None = None
    """Why it makes no progress, except for an absent worker."""

    @property
    def open(self) -> bool:
        return self.state in OPEN

    @property
    def operation_id(self) -> UUID | None:
        return self.fields.operation_id

    @property
    def callbacks(self) -> tuple[CompletionCallback, ...]:
        start = self.fields.callback
        return self.attached if start is None else (start, *self.attached)

    @property
    def latest_start(self) -> datetime:
        return self.run_started_at or self.started_at

    def belongs_to(self, chain: Chain) -> bool:
        """Returns whether it is that chain."""
        if chain.first_run_id is None:
            return self.operation_id == chain.operation_id
        return self.first_run_id == chain.first_run_id

    def observed(self, asked_at: datetime, *, likely_closed: bool = False) -> Observation:
        """Returns the engine's observation of it."""
        short = likely_closed and self.state in BY_LAST_EVENT
        return Observation(
            self.state,
            asked_at,
            started_at=None if short else self.started_at,
            never_picked_up=self.never_picked_up and not short,
            closed_at=self.closed_at,
            result=strict_json(self.result),
            result_unreadable=self.result_unreadable,
            result_altered=not_finite_note(self.result),
            error=self.error,
            actor=self.actor,
            first_run_id=self.first_run_id,
            problem=self.problem if self.open else None,
        )

    def picked_up(self) -> "MemoryExecution":
        return replace(self._must_be_open(), state=ExecutionState.RUNNING)

    def with_problem(self, problem: ExecutionProblem | None) -> "MemoryExecution":
        """Its workflow task or an activity begins to fail repeatedly, or succeeds again."""
        return replace(self.picked_up(), problem=problem)

    def cancel_requested(self, ending: Ending) -> "MemoryExecution":
        """Stores the first cancellation request; ignores later ones."""
        return self if self.cancel_request is not None or not self.open else replace(self, cancel_request=ending)

    def with_callback(self, callback: CompletionCallback) -> "MemoryExecution":
        """Adds the callback, unless it has one with the same URL."""
        known = {present.url for present in self.callbacks}
        return self if callback.url in known else replace(self, attached=(*self.attached, callback))

    def completed(self, at: datetime, result: JsonValue, unreadable: str | None) -> "MemoryExecution":
        value: JsonValue = None if unreadable is not None else json.loads(json.dumps(result))
        return replace(self._closed(ExecutionState.COMPLETED, at), result=value, result_unreadable=unreadable)

    def failed(self, at: datetime, error: OperationError) -> "MemoryExecution":
        if error.code is not ErrorCode.WORKFLOW_FAILED:
            raise ValueError(f"a workflow fails with {ErrorCode.WORKFLOW_FAILED}, not with {error.code}")
        return replace(self._closed(ExecutionState.FAILED, at), error=error)

    def canceled(self, at: datetime) -> "MemoryExecution":
        asked = self.cancel_request or Ending("", "")
        return self._ended(ExecutionState.CANCELED, ErrorCode.CANCELED, at, asked)

    def terminated(self, at: datetime, ending: Ending) -> "MemoryExecution":
        return self._ended(ExecutionState.TERMINATED, ErrorCode.TERMINATED, at, ending)._without_worker(self)  # noqa: SLF001

    def timed_out(self, at: datetime, which: str, seconds: float) -> "MemoryExecution":
        message = f"the workflow did not close within its {which} timeout of {seconds:g} s"
        error = OperationError(ErrorCode.TIMED_OUT, message, {"timeout": which, "seconds": seconds})
        return replace(self._closed(ExecutionState.TIMED_OUT, at), error=error)._without_worker(self)  # noqa: SLF001

    def next_run(self, at: datetime, run_id: str) -> "MemoryExecution":
        """Continues in a new run, by continue-as-new or by the workflow's own retry."""
        return replace(self._must_be_open()._further_run(at, run_id), request_id=None)  # noqa: SLF001

    def reset(self, at: datetime, run_id: str) -> "MemoryExecution":
        """Continues in a new run with the same request id. Raises ValueError if no worker has taken it."""
        if self.state is ExecutionState.PENDING or self.never_picked_up:
            raise ValueError("no worker has taken the execution")
        return self._further_run(at, run_id)

    def _further_run(self, at: datetime, run_id: str) -> "MemoryExecution":
        return MemoryExecution(
            self.workflow_id,
            self.fields,
            self.started_at,
            self.request_id,
            self.first_run_id,
            run_id,
            state=ExecutionState.RUNNING,
            attached=self.attached,
            run_started_at=at,
        )

    def _ended(self, state: ExecutionState, code: ErrorCode, at: datetime, ending: Ending) -> "MemoryExecution":
        reason, actor = clean_text(ending.reason) or None, ending.actor or None
        details: dict[str, JsonValue] = {"reason": reason, "actor": actor}
        if ending.superseded_by is not None:
            details["superseded_by"] = ending.superseded_by
        error = OperationError(code, reason or code.value.lower(), details)
        return replace(self._closed(state, at), error=error, actor=actor)

    def _without_worker(self, before: "MemoryExecution") -> "MemoryExecution":
        return replace(self, never_picked_up=before.state is ExecutionState.PENDING)

    def _closed(self, state: ExecutionState, at: datetime) -> "MemoryExecution":
        return replace(self._must_be_open(), state=state, closed_at=at)

    def _must_be_open(self) -> "MemoryExecution":
        if not self.open:
            raise ValueError(f"the execution is already {self.state}")
        return self
