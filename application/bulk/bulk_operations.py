"""Dry runs of bulk actions, and their confirmation, which makes an operation."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from application.bulk.applicable import applicable
from application.ports.clock import Clock
from application.ports.operation_ids import OperationIds
from application.ports.storage.operation_queries import OperationFilter
from application.ports.storage.operation_view import OperationDetails
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from application.submit.submission import Submitted, as_accepted
from application.watch.read import ReadOperations
from domain.bulk.bulk_action import (
    CONFIRM_WITHIN,
    MAX_TARGETS,
    MAX_UNCONFIRMED,
    BulkAction,
    BulkTerms,
    BulkVerb,
    bulk_type,
)
from domain.bulk.target import Target, TargetOutcome
from domain.errors import InvalidInput, OperationNotFound
from domain.json_value import JsonValue, clean_text
from domain.operation.operation import Cause
from domain.operation.start.creation import accept
from domain.operation.transition import Source

SAMPLE: Final = 10
"""Operations that a dry run shows."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The answer to a dry run."""

    action: BulkAction
    sample: Sequence[OperationDetails]
    """The first targets, as they are now."""

    @property
    def expires_at(self) -> datetime:
        """Time from which the dry run cannot be confirmed."""
        return self.action.created_at + CONFIRM_WITHIN


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A request to perform a bulk action that a dry run has found."""

    action_id: UUID
    verb: BulkVerb
    terms: BulkTerms
    input: Mapping[str, JsonValue]
    """Input of the operation, for its readers: the filter, and what else the client gave."""


class BulkOperations:
    """Bulk actions of all tenants."""

    def __init__(
        self, units: UnitOfWorkFactory, read: ReadOperations, clock: Clock, ids: OperationIds, limit: int = MAX_TARGETS
    ) -> None:
        """`limit`: targets that one bulk action may have."""
        self._units = units
        self._read = read
        self._clock = clock
        self._ids = ids
        self._limit = limit

    async def preview(self, tenant: str, verb: BulkVerb, criteria: OperationFilter, *, sample: int = SAMPLE) -> Preview:
        """Finds the operations that match and to which the verb applies, and stores their ids. Raises InvalidInput:
        they are too many."""
        action = BulkAction(self._ids.new(), tenant, verb, self._clock.now())
        async with self._units() as unit:
            matching = await unit.bulk_actions.add(action, applicable(verb, criteria), self._limit)
            if matching is None:
                raise InvalidInput(f"matches more than {self._limit} operations: narrow it", pointer="/filter")
            await unit.bulk_actions.keep_newest(tenant, MAX_UNCONFIRMED)
            first = await unit.bulk_actions.targets(action.id, after=0, limit=sample)
            await unit.commit()
        found = await asyncio.gather(*(self._shown(tenant, target.operation_id) for target in first))
        return Preview(replace(action, matching=matching), [shown for shown in found if shown is not None])

    async def confirm(self, tenant: str, confirmation: Confirmation, *, trace: Mapping[str, str]) -> Submitted:
        """Accepts the operation that performs the bulk action. A repeat with the same reason and `force` returns the
        same operation, also to another caller.

        Raises InvalidInput: the dry run has expired, it or its operation was deleted, or it was confirmed with another
        reason or `force`, which stay.
        """
        action_id, terms = confirmation.action_id, confirmation.terms
        async with self._units() as unit:
            action = await unit.bulk_actions.lock(action_id)
            if action is None or action.tenant != tenant or action.verb is not confirmation.verb:
                raise InvalidInput(
                    "belongs to a dry run that was deleted or replaced by newer ones: make a new one",
                    pointer="/confirm",
                )
            if action.terms is not None:
                earlier = await unit.operations.get(action_id)
                assert earlier is not None  # the bulk action is deleted with it
                if not _are_same(action.terms, terms):
                    raise InvalidInput(
                        f"was used with another reason or force, for operation {action_id}: make a new dry run",
                        pointer="/confirm",
                    )
                return Submitted(as_accepted(earlier), replayed=True)
            now = self._clock.now()
            if now >= action.created_at + CONFIRM_WITHIN:
                raise InvalidInput("has expired: make a new dry run", pointer="/confirm")
            accepted = accept(
                action_id,
                tenant=tenant,
                type_name=bulk_type(action.verb),
                value={**confirmation.input, "matching": action.matching},
                labels={},
                cause=Cause(Source.CLIENT, "accepted", now, actor=terms.actor),
                trace=trace,
            )
            await unit.operations.add(accepted)
            await unit.bulk_actions.confirm(action_id, terms)
            await unit.commit()
        return Submitted(accepted.operation)

    async def targets(
        self,
        tenant: str,
        operation_id: UUID,
        *,
        after: int,
        limit: int,
        outcomes: Collection[TargetOutcome] = (),
    ) -> list[Target]:
        """Returns up to `limit` targets behind the place `after`, with one of the outcomes if there are any; none for
        an operation that is no bulk action. Raises OperationNotFound."""
        await self._read.get(tenant, operation_id)
        async with self._units() as unit:
            return await unit.bulk_actions.targets(operation_id, after=after, limit=limit, outcomes=outcomes)

    async def _shown(self, tenant: str, operation_id: UUID) -> OperationDetails | None:
        """Returns the operation; None: it was deleted meanwhile."""
        try:
            return await self._read.get(tenant, operation_id)
        except OperationNotFound:
            return None


def _are_same(stored: BulkTerms, given: BulkTerms) -> bool:
    reason = None if given.reason is None else clean_text(given.reason)
    return (stored.reason, stored.force) == (reason, given.force)
