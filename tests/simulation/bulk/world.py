"""The ledger of two tenants, and what their clients know of the bulk actions that they have made."""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis.stateful import RuleBasedStateMachine, initialize

from application.bulk.bulk_operations import BulkOperations
from application.ports.storage.operation_queries import OperationFilter
from application.submit.submission import Submission
from application.submit.submit import SubmitOperations
from domain.bulk.bulk_action import BulkVerb
from domain.bulk.target import Target, TargetOutcome
from domain.errors import OpledgerError
from domain.operation.attention import Attention
from domain.operation.operation import Change, Operation
from domain.operation.transition import Transition
from tests.simulation.processes import Fate, Processes
from tests.simulation.world import Errors, SimulatedLedger

TENANTS = ("default", "another")
PIECE = 3
"""Targets of a piece: few, so that a bulk action has several."""


@dataclass
class Known:
    """A bulk action, as its client knows it."""

    id: UUID
    tenant: str
    verb: BulkVerb
    counted: frozenset[UUID]
    """The operations to which the verb applied at the moment of the dry run, found without the service."""
    problems: Mapping[UUID, Attention]
    """Their problems at that moment."""
    expires_at: datetime
    """When the dry run can no longer be confirmed."""
    confirmed: bool = False
    pieces: list[int] = field(default_factory=lambda: [0])
    """Places at which a piece may begin: the end of each piece whose numbers have arrived."""
    numbers: dict[TargetOutcome, int] = field(default_factory=dict)
    """Sums of the pieces that followed one another."""
    stopped_at: int | None = None
    """Targets that were handled when the bulk action was stopped."""

    @property
    def name(self) -> str:
        """Its actor and its reason, so that the history shows what it did."""
        return f"bulk {self.id}"


class Checked(SubmitOperations):
    """Checks submissions without a thread, which would make a run differ from the one before."""

    async def check(self, submissions: Sequence[Submission]) -> list[OpledgerError | None]:
        return [self.refusal_of(submission) for submission in submissions]


class BulkLedger(SimulatedLedger):
    """Its bulk actions have small pieces, and wait for no other work: none of it is done in this simulation."""

    def override_services(self) -> None:
        super().override_services()
        self.worker.submit.set_provides(Checked)
        self.worker.bulk.add_kwargs(piece=PIECE, pace=None)


class BulkWorld(RuleBasedStateMachine):
    """What rules and invariants work on."""

    steps = 0
    """Taken by all machines of this process."""

    def __init__(self) -> None:
        super().__init__()
        self.processes = Processes(lambda: self.ledger.clock.now())
        self.errors = Errors()
        self.known: list[Known] = []
        self.deleted: set[UUID] = set()
        """What clients have deleted, and what bulk actions say that they have."""
        self.seen: dict[UUID, Operation] = {}
        """Every operation that there has been, as it was last."""
        self.past: dict[UUID, list[Transition]] = {}
        """And its history."""

    @initialize()
    def begin(self) -> None:
        self.ledger = BulkLedger()
        self.performer = self.ledger.worker.bulk()
        self.bulk: BulkOperations = self.ledger.api.bulk()

    def process(self, work: Coroutine[Any, Any, Any], fate: Fate | None = None, ahead: timedelta = timedelta()) -> Any:
        """Runs it in a process of its own. `ahead`: of its clock."""
        return self.processes.run(work, fate, ahead)

    async def save(self, change: Change) -> None:
        """Commits it."""
        async with self.ledger.store.units() as unit:
            await unit.operations.save(change)
            await unit.commit()

    def advance(self, **amount: float) -> None:
        self.ledger.clock.advance(timedelta(**amount))

    def targets(self, action: Known) -> list[Target]:
        """What is stored of it."""
        row = self.ledger.store._tables.bulk_actions.get(action.id)
        if row is None:
            return []
        pending = [Target(place, target) for place, target in enumerate(row.targets, 1)]
        return [row.outcomes.get(target.place, target) for target in pending]

    def forgotten(self, action: Known) -> bool:
        """Whether it is not stored any more."""
        return action.id not in self.ledger.store._tables.bulk_actions

    @property
    def now(self) -> datetime:
        return self.ledger.clock.now()

    @property
    def rows(self) -> dict[UUID, Operation]:
        return self.ledger.store._tables.operations

    @property
    def work(self) -> list[Operation]:
        """The operations that clients have submitted."""
        return [row for row in self.rows.values() if row.type == "work"]

    @property
    def confirmed(self) -> list[Known]:
        """Bulk actions that are under way, or were."""
        return [action for action in self.known if action.confirmed]

    @property
    def acknowledging(self) -> list[Known]:
        """Acknowledgements that are confirmed and have targets."""
        return [action for action in self.confirmed if action.verb is BulkVerb.ACKNOWLEDGE and action.problems]

    def applicable(self, tenant: str, verb: BulkVerb, criteria: OperationFilter) -> frozenset[UUID]:
        """The operations that a dry run has to count."""
        return frozenset(
            row.id
            for row in self.rows.values()
            if row.tenant == tenant and _applies(verb, row) and (criteria.type is None or row.type == criteria.type)
        )


def _applies(verb: BulkVerb, row: Operation) -> bool:
    if verb is BulkVerb.ACKNOWLEDGE:
        return row.attention is not None
    return row.done == (verb is not BulkVerb.CANCEL)
