"""A workflow chain in memory and its events."""

import json
from dataclasses import dataclass, replace
from datetime import datetime

from application.ports.workflow_engine import CompletionCallback
from domain.evidence.finality import OutcomeReports
from domain.evidence.observation import OPEN, ExecutionProblem, ExecutionState, Observation
from domain.json_value import JsonValue, clean_text, not_finite_note, strict_json
from domain.operation.chain import Chain
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
class Execution:
    """The latest run of a chain. Frozen: every event returns the execution after it, or raises ValueError if the real
    engine would refuse it."""

    started_at: datetime
    """When the chain's first run started."""
    request_id: str | None
    """The request id of the latest run. None after continue-as-new and retry."""
    first_run_id: str
    run_id: str
    """The latest run."""
    tagged: bool = True
    """Whether it carries the search attribute `OperationUUID` with the operation's id."""
    state: ExecutionState = ExecutionState.PENDING
    closed_at: datetime | None = None
    result: JsonValue = None
    """As the workflow returned it, with NaN and the infinities."""
    result_unreadable: str | None = None
    error: OperationError | None = None
    actor: str | None = None
    cancel_request: Ending | None = None
    callback: CompletionCallback | None = None
    """The callback of the whole chain."""
    outcome_reports: OutcomeReports | None = None
    """The rule in the memo of the whole chain. None: another client started it."""
    run_started_at: datetime | None = None
    """When the latest run started. None: it is the first run."""
    never_picked_up: bool = False
    """Whether it closed before a worker picked it up."""
    problem: ExecutionProblem | None = None
    """Why it makes no progress, except for an absent worker."""
    task_queue: str = ""

    @property
    def open(self) -> bool:
        return self.state in OPEN

    @property
    def latest_start(self) -> datetime:
        return self.run_started_at or self.started_at

    def belongs_to(self, chain: Chain) -> bool:
        """Returns whether it is that chain."""
        return self.tagged if chain.first_run_id is None else self.first_run_id == chain.first_run_id

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

    def picked_up(self) -> "Execution":
        return replace(self._must_be_open(), state=ExecutionState.RUNNING)

    def with_problem(self, problem: ExecutionProblem | None) -> "Execution":
        """Its workflow task or an activity begins to fail repeatedly, or succeeds again."""
        return replace(self.picked_up(), problem=problem)

    def cancel_requested(self, ending: Ending) -> "Execution":
        """Stores the first cancellation request; ignores later ones."""
        return self if self.cancel_request is not None or not self.open else replace(self, cancel_request=ending)

    def completed(self, at: datetime, result: JsonValue, unreadable: str | None) -> "Execution":
        value: JsonValue = None if unreadable is not None else json.loads(json.dumps(result))
        return replace(self._closed(ExecutionState.COMPLETED, at), result=value, result_unreadable=unreadable)

    def failed(self, at: datetime, error: OperationError) -> "Execution":
        if error.code is not ErrorCode.WORKFLOW_FAILED:
            raise ValueError(f"a workflow fails with {ErrorCode.WORKFLOW_FAILED}, not with {error.code}")
        return replace(self._closed(ExecutionState.FAILED, at), error=error)

    def canceled(self, at: datetime) -> "Execution":
        asked = self.cancel_request or Ending("", "")
        return self._ended(ExecutionState.CANCELED, ErrorCode.CANCELED, at, asked)

    def terminated(self, at: datetime, ending: Ending) -> "Execution":
        return self._ended(ExecutionState.TERMINATED, ErrorCode.TERMINATED, at, ending)._without_worker(self)  # noqa: SLF001

    def timed_out(self, at: datetime, which: str, seconds: float) -> "Execution":
        message = f"the workflow did not close within its {which} timeout of {seconds:g} s"
        error = OperationError(ErrorCode.TIMED_OUT, message, {"timeout": which, "seconds": seconds})
        return replace(self._closed(ExecutionState.TIMED_OUT, at), error=error)._without_worker(self)  # noqa: SLF001

    def next_run(self, at: datetime, run_id: str) -> "Execution":
        """Continues in a new run, by continue-as-new or by the workflow's own retry."""
        return replace(self._must_be_open()._further_run(at, run_id), request_id=None)  # noqa: SLF001

    def reset(self, at: datetime, run_id: str) -> "Execution":
        """Continues in a new run with the same request id. Raises ValueError if no worker has taken it."""
        if self.state is ExecutionState.PENDING or self.never_picked_up:
            raise ValueError("no worker has taken the execution")
        return self._further_run(at, run_id)

    def _further_run(self, at: datetime, run_id: str) -> "Execution":
        return Execution(
            self.started_at,
            self.request_id,
            self.first_run_id,
            run_id,
            self.tagged,
            state=ExecutionState.RUNNING,
            callback=self.callback,
            outcome_reports=self.outcome_reports,
            run_started_at=at,
            task_queue=self.task_queue,
        )

    def _ended(self, state: ExecutionState, code: ErrorCode, at: datetime, ending: Ending) -> "Execution":
        reason, actor = clean_text(ending.reason) or None, ending.actor or None
        details: dict[str, JsonValue] = {"reason": reason, "actor": actor}
        if ending.superseded_by is not None:
            details["superseded_by"] = ending.superseded_by
        error = OperationError(code, reason or code.value.lower(), details)
        return replace(self._closed(state, at), error=error, actor=actor)

    def _without_worker(self, before: "Execution") -> "Execution":
        return replace(self, never_picked_up=before.state is ExecutionState.PENDING)

    def _closed(self, state: ExecutionState, at: datetime) -> "Execution":
        return replace(self._must_be_open(), state=state, closed_at=at)

    def _must_be_open(self) -> "Execution":
        if not self.open:
            raise ValueError(f"the execution is already {self.state}")
        return self
