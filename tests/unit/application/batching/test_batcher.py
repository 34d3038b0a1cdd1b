"""Batcher: concurrent requests share a batch, and nothing else."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import pytest

from application.batching.batcher import WRITES, Batcher, Limits, Request, Unsettled, lookup, transaction
from application.ports.storage.unit_of_work import DatabaseContended, DatabaseUnavailable
from domain.errors import OpledgerError
from tests.support.ledger.commits import begun
from tests.support.ledger.faults import Crash

CONTEXT: ContextVar[str] = ContextVar("context", default="none")
ONE_BY_ONE = Limits(max_batch=None, concurrency=1, slow_after=60.0)
CONCURRENCY = WRITES.concurrency
assert WRITES.max_batch is not None
BATCH: int = WRITES.max_batch
IMPATIENT = replace(WRITES, slow_after=0.0)


class Writes:
    """Resolves every request with its own value, once the event of its key is set."""

    def __init__(self) -> None:
        self.held: dict[int, asyncio.Event] = {}
        """Events by key."""
        self.batches: list[list[Any]] = []
        self.contexts: list[str] = []

    async def __call__(self, batch: Sequence[Request[Any, Any]]) -> None:
        self.batches.append([request.key for request in batch])
        self.contexts.append(CONTEXT.get())
        for request in batch:
            if request.key in self.held:
                await self.held[request.key].wait()
        for request in batch:
            request.resolve(request.value)


class Lookups:
    """Answers look-ups with the data of their start, at once or when the event of a key is set."""

    def __init__(self, **there: int) -> None:
        self.there = there
        self.batches: list[set[str]] = []
        self.held: dict[str, asyncio.Event] = {}
        """Events by key."""
        self.error: Exception | None = None

    async def find(self, keys: Collection[str]) -> Mapping[str, int]:
        self.batches.append(set(keys))
        found = {key: self.there[key] for key in keys if key in self.there}
        for key in keys:
            if key in self.held:
                await self.held[key].wait()
        if self.error is not None:
            raise self.error
        return found

    def batcher(self, limits: Limits = ONE_BY_ONE) -> Batcher[str, int | None]:
        return Batcher(lookup(self.find), limits)


# Look-ups.


async def test_a_single_lookup_is_made_at_once() -> None:
    """A key that does not exist is None."""
    lookups = Lookups(a=1)
    batcher = lookups.batcher()
    assert (await batcher.submit("a"), await batcher.submit("b")) == (1, None)
    assert lookups.batches == [{"a"}, {"b"}]


async def test_lookups_that_arrive_during_a_batch_form_the_next_one() -> None:
    """A key that is requested twice is read once."""
    lookups = Lookups(a=1, b=2)
    batcher = lookups.batcher()
    lookups.held["a"] = asyncio.Event()
    [first] = await begun(batcher.submit("a"))
    others = await begun(*(batcher.submit(key) for key in ("b", "c", "b")))
    lookups.held["a"].set()
    assert await asyncio.gather(first, *others) == [1, 2, None, 2]
    assert lookups.batches == [{"a"}, {"b", "c"}]


async def test_a_lookup_never_returns_data_older_than_its_request() -> None:
    """A client that has just written reads what it has written, also while the same key is being read."""
    lookups = Lookups(a=1)
    batcher = lookups.batcher()
    lookups.held["a"] = asyncio.Event()
    [before] = await begun(batcher.submit("a"))
    lookups.there["a"] = 2
    [after] = await begun(batcher.submit("a"))
    lookups.held["a"].set()
    assert (await before, await after) == (1, 2)


async def test_an_error_of_a_lookup_is_raised_to_all_of_its_batch() -> None:
    """No other caller gets it."""
    lookups = Lookups(a=1, b=2)
    batcher = lookups.batcher()
    lookups.error = OpledgerError("the database is away")
    together = await asyncio.gather(batcher.submit("a"), batcher.submit("b"), return_exceptions=True)
    assert [str(error) for error in together] == ["the database is away"] * 2
    lookups.error = None
    assert await batcher.submit("a") == 1


async def test_a_cancelled_caller_affects_no_other() -> None:
    """Its key is not looked up if the batch has not started."""
    lookups = Lookups(a=1, b=2, c=3)
    batcher = lookups.batcher()
    lookups.held["a"] = asyncio.Event()
    first, gone, other = await begun(*(batcher.submit(key) for key in "abc"))
    gone.cancel()
    first.cancel()
    lookups.held["a"].set()
    assert await other == 3
    assert lookups.batches == [{"a", "b", "c"}]
    lookups.held["a"].clear()
    [alone] = await begun(batcher.submit("a"))
    given_up, kept = await begun(batcher.submit("b"), batcher.submit("c"))
    given_up.cancel()
    await begun()
    lookups.held["a"].set()
    assert (await alone, await kept) == (1, 3)
    assert lookups.batches[1:] == [{"a"}, {"c"}]
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_a_batch_of_cancelled_callers_is_not_processed() -> None:
    lookups = Lookups()
    batcher = lookups.batcher()
    lookups.held["a"] = asyncio.Event()
    first, second = await begun(*(batcher.submit(key) for key in "ab"))
    [late] = await begun(batcher.submit("c"))
    late.cancel()
    lookups.held["a"].set()
    await asyncio.gather(first, second)
    await begun()
    assert lookups.batches == [{"a", "b"}]


async def test_a_slow_lookup_does_not_hold_up_the_next() -> None:
    """A connection may hang; the pool has others. Not even a look-up of the same key waits for it."""
    lookups = Lookups(a=1, b=2)
    batcher = lookups.batcher(replace(ONE_BY_ONE, slow_after=0.01))
    lookups.held["a"] = held = asyncio.Event()
    [stuck] = await begun(batcher.submit("a"))
    assert await asyncio.wait_for(batcher.submit("b"), 60) == 2
    del lookups.held["a"]
    assert await asyncio.wait_for(batcher.submit("a"), 60) == 1
    assert not stuck.done()
    held.set()
    assert await stuck == 1


@pytest.mark.parametrize(("max_batch", "batches"), [(100, [100, 100, 1]), (None, [201])])
async def test_a_batch_has_at_most_max_batch_requests(max_batch: int | None, batches: list[int]) -> None:
    """None: any number."""
    lookups = Lookups()
    batcher = lookups.batcher(replace(ONE_BY_ONE, max_batch=max_batch))
    await asyncio.gather(*(batcher.submit(str(number)) for number in range(201)))
    assert [len(batch) for batch in lookups.batches] == batches


async def test_slow_batches_count_against_max_in_flight() -> None:
    """At the limit the next batch waits for one of them, with everything that arrives in the meantime."""
    lookups = Lookups(a=1, b=2, c=3, d=4)
    batcher = lookups.batcher(replace(ONE_BY_ONE, slow_after=0.0, max_in_flight=2))
    lookups.held = {"a": asyncio.Event(), "b": asyncio.Event()}
    first, second, third, fourth = [(await begun(batcher.submit(key)))[0] for key in "abcd"]
    assert lookups.batches == [{"a"}, {"b"}]
    lookups.held["b"].set()
    assert [*await asyncio.wait_for(asyncio.gather(second, third, fourth), 60)] == [2, 3, 4]
    assert lookups.batches == [{"a"}, {"b"}, {"c", "d"}]
    assert not first.done()
    lookups.held["a"].set()
    assert await first == 1


# Writes.


async def test_batches_that_hang_hold_up_no_other() -> None:
    """A connection that a firewall forgot says nothing for a long time; the pool has others."""
    writes = Writes()
    batcher = Batcher(writes, IMPATIENT)
    writes.held = {key: asyncio.Event() for key in range(2 * CONCURRENCY)}
    stuck = [task for key in writes.held for task in await begun(batcher.submit(key, key=key))]
    assert await asyncio.wait_for(batcher.submit("answer", key=-1), 60) == "answer"
    assert not any(task.done() for task in stuck)
    for event in writes.held.values():
        event.set()
    assert await asyncio.gather(*stuck) == list(writes.held)


async def test_a_request_waits_for_the_one_with_its_key_that_hangs() -> None:
    """It is processed when that one ends, although no other request arrives."""
    writes = Writes()
    batcher = Batcher(writes, IMPATIENT)
    writes.held = {1: asyncio.Event()}
    first, second = await begun(batcher.submit("first", key=1), batcher.submit("second", key=1))
    assert not first.done()
    assert not second.done()
    writes.held[1].set()
    assert [*await asyncio.wait_for(asyncio.gather(first, second), 60)] == ["first", "second"]
    assert writes.batches == [[1], [1]]


async def test_requests_with_one_key_keep_their_order_among_others() -> None:
    """A batch has one request of a key; the others stay in front of what arrived after them."""
    writes = Writes()
    batcher = Batcher(writes, replace(WRITES, concurrency=1, max_batch=3))
    results = await asyncio.gather(*(batcher.submit(value, key=key) for value, key in enumerate("aababcc")))
    assert results == list(range(7))
    assert writes.batches == [["a", "b", "c"], ["a", "b", "c"], ["a"]]


async def test_batches_that_hung_do_not_raise_the_concurrency() -> None:
    """When they end, `concurrency` batches run again."""
    writes = Writes()
    batcher = Batcher(writes, replace(WRITES, slow_after=60.0))
    writes.held = {key: asyncio.Event() for key in range(4 * BATCH)}
    stuck = await begun(*(batcher.submit(key, key=key) for key in writes.held))
    assert len(writes.batches) == CONCURRENCY
    for key in range(BATCH):
        writes.held[key].set()
    await asyncio.gather(*stuck[:BATCH])
    await begun()
    assert len(writes.batches) == CONCURRENCY + 1
    await batcher.close(within=0)
    await asyncio.gather(*stuck, return_exceptions=True)


async def test_a_request_that_waited_too_long_is_rejected() -> None:
    """It is not processed: under overload the wait would grow without end."""
    writes = Writes()
    batcher = Batcher(writes, WRITES)
    writes.held = {key: asyncio.Event() for key in range(CONCURRENCY)}
    first = [task for key in writes.held for task in await begun(batcher.submit(key, key=key))]
    late = await begun(*(batcher.submit(key, key=key) for key in range(CONCURRENCY, CONCURRENCY + 3)))
    batcher._limits = replace(WRITES, max_wait=-1.0)
    for event in writes.held.values():
        event.set()
    assert await asyncio.gather(*first) == list(writes.held)
    outcomes = await asyncio.wait_for(asyncio.gather(*late, return_exceptions=True), 60)
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * 3
    assert writes.batches == [[key] for key in writes.held]


@pytest.mark.parametrize("many", [1, 3])
@pytest.mark.parametrize(
    ("error", "alone", "among_others"),
    [
        (DatabaseContended("a lock"), DatabaseContended, Unsettled),
        (DatabaseUnavailable("away"), DatabaseUnavailable, DatabaseUnavailable),
        (OpledgerError("refused"), Unsettled, Unsettled),
        (RuntimeError("a bug"), Unsettled, Unsettled),
        (Crash(), Crash, Crash),
    ],
    ids=repr,
)
async def test_what_an_error_of_a_transaction_means_to_its_callers(
    many: int, error: BaseException, alone: type[BaseException], among_others: type[BaseException]
) -> None:
    """Unsettled: nothing was stored, and alone it may succeed. A request that had a batch of its own has waited for a
    lock as long as it would alone. After DatabaseUnavailable the result is unknown."""

    async def commit(batch: Sequence[Request[int, int]]) -> None:
        raise error

    batcher = Batcher(transaction(commit), WRITES)
    outcomes = await asyncio.gather(*(batcher.submit(key, key=key) for key in range(many)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [alone if many == 1 else among_others] * many


async def test_a_request_that_its_batch_leaves_is_unsettled() -> None:
    """Also where another one of the batch was resolved."""

    async def first_alone(batch: Sequence[Request[int, int]]) -> None:
        batch[0].resolve(batch[0].value)

    batcher = Batcher(transaction(first_alone), WRITES)
    outcomes = await asyncio.gather(*(batcher.submit(key, key=key) for key in range(2)), return_exceptions=True)
    assert outcomes[0] == 0
    assert isinstance(outcomes[1], Unsettled)


async def test_closing_rejects_requests_of_batches_that_hang() -> None:
    """Also those whose batch started during the shutdown; no task is left."""
    others = asyncio.all_tasks()
    writes = Writes()
    batcher = Batcher(writes, IMPATIENT)
    writes.held = {key: asyncio.Event() for key in range(2 * CONCURRENCY * BATCH)}
    stuck = await begun(*(batcher.submit(key, key=key) for key in writes.held))
    await batcher.close(within=0.01)
    outcomes = await asyncio.wait_for(asyncio.gather(*stuck, return_exceptions=True), 60)
    assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * len(stuck)
    assert asyncio.all_tasks() <= others


async def test_a_batch_runs_in_the_context_of_the_batcher() -> None:
    """It serves many requests: its log lines must not carry the id of one."""
    writes = Writes()
    CONTEXT.set("the batcher's")
    batcher = Batcher(writes, WRITES)
    CONTEXT.set("a request's")
    await batcher.submit("answer")
    assert writes.contexts == ["the batcher's"]
