"""Requests for new operations, before the client is known, and what they are once it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from application.submit.record_start import ClientStart
from application.submit.submission import Submission
from domain.access.principal import Principal
from domain.operation.operation import Input
from domain.operation.start.workflow_id_policy import OnRunning
from domain.scheduling.start_time import NOW, StartTime


@dataclass(frozen=True, slots=True)
class SubmissionRequest:
    """A request for a new operation, before the client is known."""

    type: str
    input: Input
    labels: Mapping[str, str]
    idempotency_key: str | None
    parent_id: UUID | None = None
    start: StartTime = NOW
    keep: bool = False

    def by(self, principal: Principal, trace: Mapping[str, str]) -> Submission:
        """Returns the submission of the client, with its trace context."""
        return Submission(
            tenant=principal.tenant,
            type=self.type,
            input=self.input,
            labels=self.labels,
            parent_id=self.parent_id,
            start=self.start,
            keep=self.keep,
            idempotency_key=self.idempotency_key,
            actor=principal.actor,
            trace=trace,
        )


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A request to record an operation whose workflow the client starts, before the client is known."""

    type: str
    workflow_id: str
    on_running: OnRunning
    input: Input
    labels: Mapping[str, str]
    idempotency_key: str | None

    def by(self, principal: Principal, trace: Mapping[str, str]) -> ClientStart:
        """Returns the start by the client, with its trace context."""
        return ClientStart(
            tenant=principal.tenant,
            type=self.type,
            workflow_id=self.workflow_id,
            on_running=self.on_running,
            input=self.input,
            labels=self.labels,
            idempotency_key=self.idempotency_key,
            actor=principal.actor,
            trace=trace,
        )
