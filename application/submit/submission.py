"""A submission, the operation that it makes, and the answer to a repeat of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from application.ports.storage.idempotency_keys import IdempotencyRecord
from domain.errors import IdempotencyKeyReused, OperationNotFound
from domain.json_value import JsonValue
from domain.operation.operation import MISSING, Cause, Change, Input, Operation
from domain.operation.start.creation import accept
from domain.operation.start.workflow_id_template import WorkflowIdTemplate
from domain.operation.transition import Source
from domain.scheduling.start_time import NOW, StartTime

KEY_LIFETIME: Final = timedelta(hours=24)
"""Time for which an idempotency key is remembered."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A request for a new operation."""

    tenant: str
    type: str
    input: Input = MISSING
    labels: Mapping[str, str] = field(default_factory=dict)
    parent_id: UUID | None = None
    """Operation of the same tenant on whose behalf this one is submitted."""
    start: StartTime = NOW
    retry_of: UUID | None = None
    """Operation of the same tenant, which is done, that this one retries."""
    keep: bool = False
    """Whether retention spares the operation."""
    request: JsonValue = None
    """The client's request, which a repeat has to equal; None: the fields above."""
    idempotency_key: str | None = None
    actor: str | None = None
    trace: Mapping[str, str] = field(default_factory=dict)
    """W3C trace context. Not part of the request's identity: a repeat has its own."""

    def fingerprint(self) -> bytes:
        """Returns a hash that is equal for equal requests, whatever the order of their fields."""
        if self.request is not None:
            return hashlib.sha256(json.dumps(self.request, sort_keys=True).encode()).digest()
        body: dict[str, object] = {"type": self.type, "labels": dict(self.labels)}
        if self.input is not MISSING:
            body["input"] = self.input
        if self.parent_id is not None:
            body["parent_id"] = str(self.parent_id)
        if self.keep:
            body["keep"] = True
        body |= self.start.identity()
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()


class KeyedRequest(Protocol):
    """A request that can be repeated under an idempotency key."""

    @property
    def tenant(self) -> str:
        """Tenant of the client."""

    @property
    def idempotency_key(self) -> str | None:
        """The key; None if the request has none."""

    def fingerprint(self) -> bytes:
        """Returns a hash that is equal for equal requests."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """The answer to a submission that was accepted."""

    operation: Operation
    replayed: bool = False
    """An earlier request made the operation: one with the same key, or one whose workflow id this one uses."""


def accepted(
    submission: Submission, operation_id: UUID, now: datetime, template: WorkflowIdTemplate | None = None
) -> Change:
    """The operation that the submission makes, with a workflow id from the template of its type. Raises
    InvalidInput."""
    workflow_id = ""
    if template is not None:
        workflow_id = template.fill(operation_id, submission.tenant, submission.input, submission.labels)
    return accept(
        operation_id,
        tenant=submission.tenant,
        type_name=submission.type,
        value=submission.input,
        labels=submission.labels,
        cause=Cause(Source.CLIENT, "accepted", now, actor=submission.actor),
        trace=submission.trace,
        workflow_id=workflow_id,
        parent_id=submission.parent_id,
        start_at=submission.start.after(now),
        retry_of=submission.retry_of,
        keep=submission.keep,
    )


def claim_of(request: KeyedRequest, operation_id: UUID, now: datetime) -> IdempotencyRecord | None:
    """The record of the request's key; None if it has no key."""
    if request.idempotency_key is None:
        return None
    return IdempotencyRecord(
        tenant=request.tenant,
        key=request.idempotency_key,
        request_hash=request.fingerprint(),
        operation_id=operation_id,
        expires_at=now + KEY_LIFETIME,
    )


def replay(submission: Submission, first: IdempotencyRecord, operation: Operation | None) -> Submitted:
    """Returns the first answer again. `first` is the record that holds the key, `operation` what it made.

    Raises IdempotencyKeyReused, OperationNotFound.
    """
    made = as_accepted(made_before(submission, first, operation))
    return Submitted(replace(made, keep=submission.keep), replayed=True)


def made_before(request: KeyedRequest, first: IdempotencyRecord, operation: Operation | None) -> Operation:
    """Returns the operation that the first request with the key made. `first` is the record that holds the key.

    Raises IdempotencyKeyReused: the request differs from the first one; OperationNotFound: the operation was deleted.
    """
    if first.request_hash != request.fingerprint():
        raise IdempotencyKeyReused
    if operation is None:
        raise OperationNotFound
    return operation


def as_accepted(operation: Operation) -> Operation:
    """The operation as the first answer showed it."""
    cause = Cause(Source.CLIENT, "accepted", operation.accepted_at)
    first = accept(
        operation.id,
        tenant=operation.tenant,
        type_name=operation.type,
        value=operation.input,
        labels=operation.labels,
        cause=cause,
        workflow_id=operation.workflow_id,
        parent_id=operation.parent_id,
        start_at=operation.start_at,
        retry_of=operation.retry_of,
    ).operation
    return replace(first, origin=operation.origin)
