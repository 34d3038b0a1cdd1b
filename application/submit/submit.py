"""Accept an operation, once for every idempotency key."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from application.ports.clock import Clock
from application.ports.idempotency_keys import IdempotencyRecord
from application.ports.input_validator import InputValidator
from application.ports.operation_ids import OperationIds
from application.ports.unit_of_work import UnitOfWorkFactory
from domain.errors import (
    IdempotencyKeyReused,
    InvalidInput,
    OperationNotFound,
    OpledgerError,
    UnknownOperationType,
)
from domain.operation.labels import label_faults
from domain.operation.lifecycle import accept
from domain.operation.operation import MISSING, Cause, Change, Input, Operation
from domain.operation.operation_type import OperationCatalogue
from domain.operation.transition import Source

KEY_LIFETIME = timedelta(hours=24)
"""How long an idempotency key is remembered."""


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client asks for."""

    tenant: str
    type: str
    input: Input = MISSING
    labels: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None
    actor: str | None = None
    trace: Mapping[str, str] = field(default_factory=dict)
    """Not part of the request's identity: a repeat has a trace of its own."""

    def fingerprint(self) -> bytes:
        """The same for the same request, whatever the order of its fields."""
        body: dict[str, object] = {"type": self.type, "labels": dict(self.labels)}
        if self.input is not MISSING:
            body["input"] = self.input
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()


@dataclass(frozen=True, slots=True)
class Submitted:
    """The operation, and whether an earlier request with the same key had made it."""

    operation: Operation
    replayed: bool = False


class SubmitOperation:
    """Checks a submission and stores it: row, first history line and idempotency key in one commit."""

    def __init__(
        self,
        units: UnitOfWorkFactory,
        clock: Clock,
        ids: OperationIds,
        catalogue: OperationCatalogue,
        validator: InputValidator,
    ) -> None:
        self._units = units
        self._clock = clock
        self._ids = ids
        self._catalogue = catalogue
        self._validator = validator

    async def submit(self, submission: Submission) -> Submitted:
        """Accept it, durably. A repeat under the same key gives the operation of the first request, also where the
        catalogue would refuse it by now.

        Raises UnknownOperationType, InvalidInput, IdempotencyKeyReused; then nothing was stored.
        """
        return await self.store(submission, self.refusal_of(submission))

    def refusal_of(self, submission: Submission) -> OpledgerError | None:
        """Why it would not be accepted, if it would not."""
        return refusal_of(submission, self._catalogue, self._validator)

    async def store(self, submission: Submission, refusal: OpledgerError | None) -> Submitted:
        """Accept it as `submit` does, by what `refusal_of` has said of it."""
        if refusal is not None and submission.idempotency_key is None:
            raise refusal
        operation_id = self._ids.new()
        async with self._units() as unit:
            claim = claim_of(submission, operation_id, self._clock.now())
            if claim is not None:
                first = await unit.idempotency_keys.claim(claim, self._clock.now())
                if first.operation_id != operation_id:
                    return replay(submission, first, await unit.operations.get(first.operation_id))
            if refusal is not None:
                raise refusal
            change = accepted(submission, operation_id, self._clock.now())
            await unit.operations.add(change)
            await unit.commit()
        return Submitted(change.operation)


def refusal_of(
    submission: Submission, catalogue: OperationCatalogue, validator: InputValidator
) -> OpledgerError | None:
    """Why it would not be accepted, with every fault: UnknownOperationType or InvalidInput; None: it would.

    The error was never raised, so it holds no traceback and no frame."""
    labels = label_faults(submission.labels)
    operation_type = catalogue.types.get(submission.type)
    if operation_type is None:
        return UnknownOperationType(catalogue.unknown(submission.type), more=labels)
    faults = [*validator.faults(operation_type, submission.input), *labels]
    return InvalidInput(faults[0].message, pointer=faults[0].pointer, more=faults[1:]) if faults else None


def accepted(submission: Submission, operation_id: UUID, now: datetime) -> Change:
    """The operation that is asked for."""
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
    """What is to be stored of its key, if it has one."""
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
    """The answer to a repeat of the request that holds the key. Raises IdempotencyKeyReused: it is another request."""
    if first.request_hash != submission.fingerprint():
        raise IdempotencyKeyReused
    if operation is None:
        raise OperationNotFound
    return Submitted(as_accepted(operation), replayed=True)


def as_accepted(operation: Operation) -> Operation:
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
