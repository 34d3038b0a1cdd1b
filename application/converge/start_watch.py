"""Start watch: finds started executions whose workflow does not report its start, within two seconds."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from uuid import UUID

from application.batching.step_result import StepResult
from application.converge.inquiry import Answer, Inquiry, Question
from application.ports.clock import Clock
from application.ports.engine.workflow_engine import EngineUnavailable
from application.ports.storage.unit_of_work import UnitOfWorkFactory
from domain.evidence.reconciliation import Verdict
from domain.operation.chain import Chain
from domain.operation.operation_type import OperationCatalogue
from domain.operation.transition import Source

LEASE_NAME = "start-watch"
INTERVAL = timedelta(seconds=1)
REPORT_DELAY = timedelta(milliseconds=500)
"""Time after the dispatch in which a workflow usually reports its start, and so costs no request."""
FIRST_SAMPLE = 4
"""First number of operations of a type to ask about, at either end: those that wait longest, and those that wait
shortest. A task queue hands out its tasks roughly in order."""
MAX_SAMPLE = 64
"""Upper bound of that number, which doubles with every round."""


class WatchStarts:
    """Watches while this worker holds the lease.

    A round asks about both ends of each type's queue. Another round follows while half of the operations asked about
    had started. The cost is one request per unreported start, and 8 per second for each type with waiting operations,
    however many wait.
    """

    def __init__(self, units: UnitOfWorkFactory, clock: Clock, catalogue: OperationCatalogue, inquiry: Inquiry) -> None:
        self._units = units
        self._clock = clock
        self._types = [declared.name for declared in catalogue]
        self._inquiry = inquiry

    async def step(self, limit: int) -> StepResult:
        """Asks about waiting operations unless another worker holds the lease. `limit` is not used."""
        asked: set[Chain] = set()
        types, sample = self._types, FIRST_SAMPLE
        first = True
        while types:
            waiting = await self._waiting(types, sample, acquire_lease=first)
            first = False
            unasked = {kind: [chain for chain in chains if chain not in asked] for kind, chains in waiting.items()}
            try:
                answers = await self._inquiry.ask(
                    [Question(chain) for chains in unasked.values() for chain in chains], Source.CONFIRMATION
                )
            except EngineUnavailable:
                return StepResult(len(asked), engine_available=False)
            asked.update(*unasked.values())
            types = [kind for kind, chains in unasked.items() if _half_started(chains, answers)]
            sample = min(2 * sample, MAX_SAMPLE)
        return StepResult(len(asked))

    async def _waiting(self, types: Collection[str], sample: int, *, acquire_lease: bool) -> dict[str, list[Chain]]:
        async with self._units() as unit:
            before = self._clock.now() - REPORT_DELAY
            waiting = await unit.operations.waiting(types, before, sample)
            if waiting and acquire_lease:
                if await unit.leases.acquire(LEASE_NAME, INTERVAL) is None:
                    return {}
                await unit.commit()
        return waiting


def _half_started(chains: Collection[Chain], answers: Mapping[UUID, Answer]) -> bool:
    started = sum(answers[chain.operation_id] is Verdict.TRANSITION for chain in chains)
    return bool(chains) and 2 * started >= len(chains)
