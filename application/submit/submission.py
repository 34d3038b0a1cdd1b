"""A submission, the operation that it makes, and the answer to a repeat of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from application.ports.idempotency_keys import IdempotencyRecord
from domain.errors import IdempotencyKeyReused, OperationNotFound
from domain.operation.lifecycle import accept
from domain.operation.operation import MISSING, Cause, Change, Input, Operation
from domain.operation.transition import Source

KEY_LIFETIME: Final = timedelta(hours=24)
"""Time for which an idempotency key is remembered."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A request for a new operation."""

    tenant: str
    type: str
    input: Input = MISSING
    labels: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None
    actor: str | None = None
    trace: Mapping[str, str] = field(default_factory=dict)
    """W3C trace context. Not part of the request's identity: a repeat has its own."""

    def fingerprint(self) -> bytes:
        """Returns a hash that is equal for equal requests, whatever the order of their fields."""
        body: dict[str, object] = {"type": self.type, "labels": dict(self.labels)}
        if self.input is not MISSING:
            body["input"] = self.input
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()


@dataclass(frozen=True, slots=True)
class Submitted:
    """The answer to a submission that was accepted."""

    operation: Operation
    replayed: bool = False
    """An earlier request with the same key made the operation."""


def accepted(submission: Submission, operation_id: UUID, now: datetime) -> Change:
    """The operation that the submission makes."""
    return accept(
        operation_id,
        tenant=submission.tenant,
        type_name=submission.type,
        value=submission.input,
        labels=submission.labels,
        cause=Cause(Source.CLIENT, "accepted", now, actor=submission.actor),
        trace=submission.trace,
    )


def claim_of(submission: Submission, operation_id: UUID, now: datetime) -> IdempotencyRecord | None:
    """The record of the submission's key; None if it has no key."""
    if submission.idempotency_key is None:
        return None
    return IdempotencyRecord(
        tenant=submission.tenant,
        key=submission.idempotency_key,
        request_hash=submission.fingerprint(),
        operation_id=operation_id,
        expires_at=now + KEY_LIFETIME,
    )


def replay(submission: Submission, first: IdempotencyRecord, operation: Operation | None) -> Submitted:
    """Returns the first answer again. `first` is the record that holds the key, `operation` what it made.

    Raises IdempotencyKeyReused: the submission differs from the first one; OperationNotFound: it was deleted.
    """
    if first.request_hash != submission.fingerprint():
        raise IdempotencyKeyReused
    if operation is None:
        raise OperationNotFound
    return Submitted(_as_accepted(operation), replayed=True)


def _as_accepted(operation: Operation) -> Operation:
    """The operation as the first answer showed it."""
    cause = Cause(Source.CLIENT, "accepted", operation.accepted_at)
    return accept(
        operation.id,
        tenant=operation.tenant,
        type_name=operation.type,
        value=operation.input,
        labels=operation.labels,
        cause=cause,
    ).operation
