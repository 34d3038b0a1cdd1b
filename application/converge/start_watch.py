"""The start watch: sees within two seconds that a worker has taken an operation whose workflow does not report it."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from uuid import UUID

from application.batching.claim_loop import ClaimResult
from application.converge.inquiry import Answer, Inquiry
from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWorkFactory
from application.ports.workflow_engine import EngineUnavailable
from domain.evidence.reconciliation import Verdict
from domain.operation.chain import Chain
from domain.operation.operation_type import OperationCatalogue
from domain.operation.transition import Source

TURN = "start-watch"
INTERVAL = timedelta(seconds=1)
REPORT_DELAY = timedelta(milliseconds=500)
"""A workflow that reports its start has usually done so by then, and costs no question."""
FIRST_SAMPLE = 4
"""Operations of a type that a turn asks about at first: so many of those that wait longest and of those that wait
shortest. A task queue gives its tasks out about in their order."""
MAX_SAMPLE = 64


class WatchStarts:
    """Any number of workers watch; one has the turn.

    A turn asks about both ends of each type's queue. As long as half of those it asked about were taken, it goes on
    with the next ones. So its cost is one question for each start that is not reported, and 8 a second for each type of
    which operations wait, however many.
    """

    def __init__(self, units: UnitOfWorkFactory, clock: Clock, catalogue: OperationCatalogue, inquiry: Inquiry) -> None:
        self._units = units
        self._clock = clock
        self._types = [declared.name for declared in catalogue]
        self._inquiry = inquiry

    async def step(self, limit: int) -> ClaimResult:
        """Take the turn, if it is due and operations wait. `limit` is not used: see the class."""
        asked: set[Chain] = set()
        types, each_end = self._types, FIRST_SAMPLE
        first = True
        while types:
            waiting = await self._waiting(types, each_end, take_turn=first)
            first = False
            unasked = {kind: [chain for chain in chains if chain not in asked] for kind, chains in waiting.items()}
            try:
                answers = await self._inquiry.ask(
                    {chain: False for chains in unasked.values() for chain in chains}, Source.CONFIRMATION
                )
            except EngineUnavailable:
                return ClaimResult(len(asked), engine_available=False)
            asked.update(*unasked.values())
            types = [kind for kind, chains in unasked.items() if _half_moved(chains, answers)]
            each_end = min(2 * each_end, MAX_SAMPLE)
        return ClaimResult(len(asked))

    async def _waiting(self, types: Collection[str], each_end: int, *, take_turn: bool) -> dict[str, list[Chain]]:
        async with self._units() as unit:
            before = self._clock.now() - REPORT_DELAY
            waiting = await unit.operations.waiting(types, before, each_end)
            if waiting and take_turn:
                if await unit.turns.take(TURN, INTERVAL) is None:
                    return {}
                await unit.commit()
        return waiting


def _half_moved(chains: Collection[Chain], answers: Mapping[UUID, Answer]) -> bool:
    moved = sum(answers[chain.operation_id] is Verdict.TRANSITION for chain in chains)
    return bool(chains) and 2 * moved >= len(chains)
