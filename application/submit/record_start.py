"""Records operations whose workflows clients start themselves, each once per idempotency key."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from application.batching.optimistic_update import retry_on_conflict
from application.ports.clock import Clock
from application.ports.operation_ids import OperationIds
from application.ports.storage.operation_repository import StaleOperation
from application.ports.storage.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.submit.submission import claim_of, made_before
from domain.errors import InvalidInput, WorkflowIdInUse
from domain.operation.operation import MISSING, Cause, Change, Input, Operation
from domain.operation.operation_type import RESERVED_PREFIX, OperationCatalogue
from domain.operation.start.creation import record_start
from domain.operation.start.labels import check_labels
from domain.operation.start.superseding import supersede
from domain.operation.start.workflow_id_policy import OnRunning
from domain.operation.transition import Source

FIRST_QUESTION: Final = timedelta(seconds=10)
"""Time after the recording at which the ledger asks the engine, if no report of the start has arrived."""


@dataclass(frozen=True, slots=True)
class ClientStart:
    """A client is about to start a workflow under a workflow id of its own."""

    tenant: str
    type: str
    """Operation type, or the name of a workflow type."""
    workflow_id: str
    on_running: OnRunning = OnRunning.REJECT
    """The client's own policy for an execution that runs under the workflow id. The ledger terminates none; with
    TERMINATE, the operation of the one that the client's start terminates names its successor."""
    input: Input = MISSING
    labels: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None
    actor: str | None = None
    trace: Mapping[str, str] = field(default_factory=dict)

    def fingerprint(self) -> bytes:
        """Returns a hash that is equal for equal requests, and differs from that of any submission."""
        body: dict[str, object] = {
            "start": self.type,
            "workflow_id": self.workflow_id,
            "on_running": self.on_running,
            "labels": dict(self.labels),
        }
        if self.input is not MISSING:
            body["input"] = self.input
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()


@dataclass(frozen=True, slots=True)
class RecordedStart:
    """The operation of a start."""

    operation: Operation
    new: bool
    """Whether it was recorded for this start. False: it is the open one under the workflow id."""
    replayed: bool = False
    """An earlier request with the same key recorded it."""


class RecordStarts:
    """Stores an operation before a client starts its workflow. The engine decides about the start: the ledger refuses
    one only if an open operation shows that the engine would."""

    def __init__(
        self, units: UnitOfWorkFactory, clock: Clock, ids: OperationIds, catalogue: OperationCatalogue
    ) -> None:
        self._units = units
        self._clock = clock
        self._ids = ids
        self._catalogue = catalogue

    async def record(self, start: ClientStart) -> RecordedStart:
        """Records an operation. It is stored when the call returns.

        Neither the type has to be declared, nor the input to match its schema: the client starts the workflow anyway.

        Raises InvalidInput, WorkflowIdInUse, IdempotencyKeyReused, OperationNotFound, StaleOperation: nothing is
        stored. After DatabaseUnavailable it is unknown whether the operation is stored.
        """
        check_labels(start.labels)
        if start.type.startswith(RESERVED_PREFIX):
            raise InvalidInput(self._catalogue.unknown(start.type), pointer="/type")
        now = self._clock.now()
        change = self._made(start, now)

        async def attempt(unit: UnitOfWork) -> RecordedStart:
            earlier = await _earlier(unit, start, change.operation, now)
            if earlier is not None:
                return RecordedStart(earlier, new=True, replayed=True)
            holding = await _holding(unit, start)
            if start.on_running is OnRunning.TERMINATE:
                await _supersede(unit, holding, change)
            elif holding:
                return RecordedStart(_shared(holding, start), new=False)
            await unit.operations.add(change)
            await unit.commit()
            return RecordedStart(change.operation, new=True)

        return await retry_on_conflict(self._units, f"workflow id {start.workflow_id!r}", attempt)

    def _made(self, start: ClientStart, now: datetime) -> Change:
        return record_start(
            self._ids.new(),
            tenant=start.tenant,
            type_name=self._catalogue.name_of_start(start.type, start.tenant),
            value=start.input,
            labels=start.labels,
            workflow_id=start.workflow_id,
            follow_up_at=now + FIRST_QUESTION,
            cause=Cause(Source.CLIENT, "recorded; the client starts the workflow", now, actor=start.actor),
            trace=start.trace,
        )


async def _earlier(unit: UnitOfWork, start: ClientStart, made: Operation, now: datetime) -> Operation | None:
    """Claims the key. Returns the operation of an earlier request with it, as that request's answer showed it. If that
    operation has ended without a start, the key is for the new one: the client starts its workflow now.

    Raises IdempotencyKeyReused, OperationNotFound.
    """
    claim = claim_of(start, made.id, now)
    if claim is None:
        return None
    [holder] = await unit.idempotency_keys.claim_all([claim], now)
    if holder.operation_id == made.id:
        return None
    stored = made_before(start, holder, await unit.operations.get(holder.operation_id))
    if stored.done and stored.first_run_id is None:
        await unit.idempotency_keys.release_all([holder])
        await unit.idempotency_keys.claim_all([claim], now)
        return None
    return record_start(
        stored.id,
        tenant=stored.tenant,
        type_name=stored.type,
        value=stored.input,
        labels=stored.labels,
        workflow_id=stored.workflow_id,
        follow_up_at=stored.accepted_at + FIRST_QUESTION,
        cause=Cause(Source.CLIENT, "", stored.accepted_at),
    ).operation


async def _holding(unit: UnitOfWork, start: ClientStart) -> list[Operation]:
    """Returns the open operations with the workflow id, of any tenant."""
    rows = (await unit.operations.under_workflow_ids({start.workflow_id})).get(start.workflow_id, [])
    return [row for row in rows if not row.done]


def _shared(holding: Sequence[Operation], start: ClientStart) -> Operation:
    """Returns the open operation that the client's start would use. Raises WorkflowIdInUse."""
    own = next((row for row in holding if row.tenant == start.tenant), None)
    if own is None or start.on_running is OnRunning.REJECT:
        raise WorkflowIdInUse(None if own is None else own.id)
    return own


async def _supersede(unit: UnitOfWork, holding: Sequence[Operation], change: Change) -> None:
    """Marks the tenant's open operations as superseded by the new one: the client's start terminates their executions.
    Raises StaleOperation."""
    new, [line] = change.operation, change.transitions
    cause = Cause(line.source, "", line.at, actor=line.actor)
    superseded = [supersede(row, new.id, cause) for row in holding if row.tenant == new.tenant]
    if len(await unit.operations.save_all(superseded)) < len(superseded):
        raise StaleOperation
