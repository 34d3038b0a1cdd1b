"""ClaimLoop: fills the free places, whatever happens to a single operation."""

import asyncio

import pytest

from application.batching.claim_loop import CONCURRENCY, MAX_IN_FLIGHT, ClaimLoop
from application.batching.step_result import StepResult
from application.ports.storage.unit_of_work import UnitOfWork
from domain.operation.operation import Operation
from tests.support.ledger.faults import Crash
from tests.support.ledger.in_memory import FakeLedger


class Work:
    """Operations that are due, and an action that each test opens or closes."""

    def __init__(self, due: list[Operation]) -> None:
        self.due = due
        self.claims: list[int] = []
        self.begun: list[Operation] = []
        self.ended = 0
        self.gates = {operation.id: asyncio.Event() for operation in due}
        self.available = True

    async def claim(self, _: UnitOfWork, limit: int) -> list[Operation]:
        claimed, self.due = self.due[:limit], self.due[limit:]
        self.claims.append(len(claimed))
        return claimed

    async def act(self, operation: Operation) -> bool:
        self.begun.append(operation)
        await self.gates[operation.id].wait()
        self.ended += 1
        if operation.labels:
            raise RuntimeError("labelled: broken")
        return self.available

    def open(self, *operations: Operation) -> None:
        for operation in operations:
            self.gates[operation.id].set()


async def quiet() -> None:
    """Lets all tasks run as far as they can."""
    for _ in range(50):
        await asyncio.sleep(0)


@pytest.fixture
async def work() -> Work:
    return Work(await accepted(4 * MAX_IN_FLIGHT))


async def accepted(many: int) -> list[Operation]:
    ledger = FakeLedger()
    return [ledger.row(await ledger.submit()) for _ in range(many)]


async def test_a_hanging_action_delays_no_other(work: Work) -> None:
    """Every due operation starts while the first one still waits for its answer."""
    first, *others = work.due
    work.open(*others)
    async with ClaimLoop(FakeLedger().units, work.claim, work.act) as loop:
        while (await loop.step(1000)).found:
            await quiet()
        assert (len(work.begun), work.ended) == (len(others) + 1, len(others))
        work.open(first)


async def test_actions_are_limited_and_claimed_in_batches(work: Work) -> None:
    """A claim is for at least half of the places, not for one operation."""
    due = list(work.due)
    async with ClaimLoop(FakeLedger().units, work.claim, work.act) as loop:
        assert await loop.step(1000) == StepResult(MAX_IN_FLIGHT)
        waiting = asyncio.create_task(loop.step(1000))
        await quiet()
        assert work.begun == due[:CONCURRENCY], "oldest first"
        work.open(*due[: CONCURRENCY - 1])
        await quiet()
        assert not waiting.done(), "room for one less than a batch"
        work.open(due[CONCURRENCY])
        assert await waiting == StepResult(CONCURRENCY)
        work.open(*due)
        while (await loop.step(1000)).found:
            await quiet()
    assert work.claims == [MAX_IN_FLIGHT, CONCURRENCY, *work.claims[2:]]
    assert min(work.claims[:-1]) >= CONCURRENCY


async def test_a_step_claims_at_most_its_limit(work: Work) -> None:
    """A limit of one gives one operation."""
    work.open(*work.due)
    async with ClaimLoop(FakeLedger().units, work.claim, work.act) as loop:
        assert await loop.step(3) == StepResult(3)


async def test_a_failed_action_is_due_again_after_its_lease(work: Work) -> None:
    """Hazard 5: it stops neither the others nor later steps."""
    work.due[0].labels["broken"] = "yes"  # type: ignore[index]
    work.open(*work.due)
    async with ClaimLoop(FakeLedger().units, work.claim, work.act) as loop:
        while (await loop.step(1000)).found:
            await quiet()
    assert work.ended == 4 * MAX_IN_FLIGHT


async def test_an_outage_is_probed_with_small_claims(work: Work) -> None:
    """A long outage must not write a retry for every waiting row. The loop notices an outage before it claims more,
    and the small claims show its end."""
    work.available = False
    work.open(*work.due)
    async with ClaimLoop(FakeLedger().units, work.claim, work.act) as loop:
        assert await loop.step(50) == StepResult(MAX_IN_FLIGHT)
        assert await loop.step(50) == StepResult(0, engine_available=False)
        assert (work.ended, work.claims) == (MAX_IN_FLIGHT, [MAX_IN_FLIGHT])
        assert await loop.step(7) == StepResult(7, engine_available=False)
        assert await loop.step(7) == StepResult(7, engine_available=False)
        work.available = True
        assert await loop.step(7) == StepResult(7)
        assert await loop.step(50) == StepResult(MAX_IN_FLIGHT)


async def test_nothing_due_does_not_end_an_outage(work: Work) -> None:
    """The engine was not asked."""
    work.available, work.due = False, work.due[:1]
    work.open(*work.due)
    async with ClaimLoop(FakeLedger().units, work.claim, work.act) as loop:
        assert await loop.step(50) == StepResult(1)
        await quiet()
        assert await loop.step(50) == StepResult(0, engine_available=False)
        assert await loop.step(7) == StepResult(0)
        work.due = await accepted(MAX_IN_FLIGHT)
        work.gates = {operation.id: asyncio.Event() for operation in work.due}
        work.open(*work.due)
        assert await loop.step(7) == StepResult(7, engine_available=False)


async def test_cancellation_ends_the_running_actions(work: Work) -> None:
    """The process stops at once; the claimed operations are due again after their lease."""

    async def dispatch() -> None:
        async with ClaimLoop(FakeLedger().units, work.claim, work.act) as loop:
            while True:
                await loop.step(1000)

    others = asyncio.all_tasks()
    task = asyncio.create_task(dispatch())
    await quiet()
    assert len(work.begun) == CONCURRENCY
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() <= others
    assert work.ended == 0


async def test_a_crash_of_an_action_ends_the_loop() -> None:
    """Nothing goes on in the background."""

    async def crash(operation: Operation) -> bool:
        raise Crash

    work = Work(await accepted(3))
    async with ClaimLoop(FakeLedger().units, work.claim, crash) as loop:
        await loop.step(3)
        with pytest.raises(Crash):
            await loop.drain()


async def test_drain_returns_whether_the_engine_was_available(work: Work) -> None:
    """It waits for all claimed operations."""
    work.open(*work.due)
    async with ClaimLoop(FakeLedger().units, work.claim, work.act) as loop:
        await loop.step(5)
        assert await loop.drain()
        work.available = False
        await loop.step(5)
        assert not await loop.drain()
    assert work.ended == 10


async def test_the_dispatcher_starts_each_operation_once() -> None:
    """However many steps it takes."""
    ledger = FakeLedger()
    ids = {await ledger.submit() for _ in range(MAX_IN_FLIGHT + 3)}
    async with ledger.dispatcher.claim_loop() as loop:
        while (await loop.step(50)).found:
            await quiet()
    assert sorted(ledger.engine.calls["start"]) == sorted(ids)
    assert all(ledger.row(operation_id).dispatch.done_at for operation_id in ids)
