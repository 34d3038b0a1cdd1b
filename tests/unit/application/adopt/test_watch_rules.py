"""WatchRules: finds what others start, adopts it once, and asks little."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters.memory.engine.executions import StartFields
from application.adopt.watch_progress import HOLD
from application.adopt.watch_rules import CHUNK, LATE, MAX_CODEC_WAIT, OVERLAP, REACH, RETRY_RULE_AFTER
from application.batching.step_result import StepResult
from application.ports.engine.index import StartPage
from application.ports.engine.workflow_engine import EngineUnavailable, PayloadsUnavailable
from application.ports.monitoring.metrics import AdoptionWay
from domain.operation.operation import Operation
from domain.operation.operation_type import OperationCatalogue
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger.in_memory import ADOPTING, CALLBACK_URL, ORDER, WATCH_EVERY, WORK, FakeLedger

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED = OperationStatus.COMPLETED
FIELDS = StartFields("Order", "shop", ({"cart": 7},))


async def watching(
    catalogue: OperationCatalogue = ADOPTING, *, callbacks: bool = True, index_page: int = 1000
) -> FakeLedger:
    """A ledger whose watch has begun."""
    ledger = FakeLedger(catalogue=catalogue, callbacks=callbacks, index_page=index_page)
    await ledger.watch()
    return ledger


def start(ledger: FakeLedger, workflow_id: str = "order-1", fields: StartFields = FIELDS) -> None:
    """Another client starts an execution, and a worker takes it."""
    ledger.world.start_from_outside(workflow_id, fields)
    ledger.world.pick_up(workflow_id)


def adopted(ledger: FakeLedger) -> dict[str, Operation]:
    """The operations by workflow id."""
    return {row.workflow_id: row for row in ledger.rows().values()}


async def test_started_execution_is_adopted_by_the_next_round() -> None:
    """It is RUNNING and has the callback."""
    ledger = await watching()
    start(ledger)
    assert await ledger.watch() == StepResult(1, engine_asked=True)
    row = adopted(ledger)["order-1"]
    assert (row.status, row.type, row.tenant, row.labels) == (RUNNING, "order", "default", {"team": "shop"})
    assert row.dispatch.calls_back
    assert ledger.history(row.id)[0].source is Source.ADOPTION
    assert ledger.metrics.adoptions == [(AdoptionWay.RULE, WATCH_EVERY)]


async def test_round_costs_one_list_call_and_new_runs_one_description_each() -> None:
    """However many run, and however often the overlap lists them."""
    ledger = await watching()
    for number in range(20):
        start(ledger, f"order-{number}")
    for _ in range(4):
        await ledger.watch()
    calls = ledger.engine.calls
    assert len(calls["started_since"]) == 5
    assert {len(calls[name]) for name in ("describe", "input_of", "attach_callback")} == {20}
    assert calls["observe"] == []
    assert await ledger.watch() == StepResult(0, engine_asked=True)


async def test_known_executions_are_not_described() -> None:
    """Those that the ledger has started, and those that were adopted by call; also by another worker."""
    catalogue = OperationCatalogue({"order": ORDER, "work": replace(WORK, adopt=True)})
    ledger = await watching(catalogue)
    await ledger.running()
    start(ledger)
    await ledger.adopt("order-1")
    ledger.engine.calls.clear()
    await ledger.watch()
    ledger.watch_rules = ledger.new_watcher()
    await ledger.watch()
    assert ledger.engine.calls["describe"] == []
    assert len(ledger.rows()) == 2


async def test_what_started_before_the_first_round_is_left_alone() -> None:
    """A new rule does not adopt the past; the call does."""
    ledger = FakeLedger(catalogue=ADOPTING)
    start(ledger)
    ledger.clock.advance(REACH)
    await ledger.watch()
    await ledger.watch()
    assert ledger.rows() == {}


async def test_deleted_operation_is_not_adopted_again() -> None:
    """Neither within the overlap, nor when its execution is reset later."""
    ledger = await watching()
    start(ledger)
    await ledger.watch()
    row = adopted(ledger)["order-1"]
    ledger.world.complete("order-1", 1)
    await ledger.call_back(ledger.world.callbacks[0])
    async with ledger.units() as unit:
        await unit.operations.delete(ledger.row(row.id))
        await unit.commit()
    await ledger.watch()
    ledger.clock.advance(REACH)
    await ledger.watch()
    ledger.watch_rules = ledger.new_watcher()
    ledger.world.reset("order-1")
    await ledger.watch()
    assert ledger.rows() == {}


async def test_crash_of_the_first_round_loses_no_start() -> None:
    """Its begin is marked before it reads."""
    ledger = FakeLedger(catalogue=ADOPTING)
    ledger.engine.break_for("started_since", None, EngineUnavailable("away"))
    assert await ledger.watch() == StepResult(0, engine_available=False)
    ledger.engine.before.clear()
    start(ledger)
    ledger.pass_time(hours=1)
    ledger.watch_rules = ledger.new_watcher()
    await ledger.watch()
    assert adopted(ledger).keys() == {"order-1"}


async def test_overlap_finds_starts_that_the_index_lists_late() -> None:
    """Hazards 20 and 39."""
    ledger = await watching()
    ledger.world.freeze_listing()
    start(ledger)
    for _ in range(int(OVERLAP / WATCH_EVERY) - 1):
        await ledger.watch()
    assert ledger.rows() == {}
    ledger.world.thaw_listing()
    await ledger.watch()
    assert adopted(ledger).keys() == {"order-1"}


@pytest.mark.parametrize("lag", [int(OVERLAP.total_seconds()), 35, int(LATE.total_seconds())])
@pytest.mark.parametrize("round_of_start", range(0, 60, 12))
async def test_start_that_the_index_lists_up_to_a_minute_late_is_adopted(round_of_start: int, lag: int) -> None:
    """Hazard 20: the engine recovers from an outage. The rounds go on meanwhile, and list nothing. Of a chain that
    continues as new, the index lists the latest run alone."""
    ledger = await watching()
    for _ in range(round_of_start):
        await ledger.watch()
    ledger.world.freeze_listing()
    start(ledger, "alone")
    start(ledger, "chain")
    for _ in range(int(timedelta(seconds=lag) / WATCH_EVERY)):
        await ledger.watch()
    assert ledger.rows() == {}
    ledger.world.continue_as_new("chain")
    ledger.world.thaw_listing()
    for _ in range(int(LATE / WATCH_EVERY)):
        await ledger.watch()
    assert adopted(ledger).keys() == {"alone", "chain"}


async def test_one_round_a_minute_reads_further_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two minutes of starts may be many pages: the other rounds read the last seconds alone."""
    ledger = await watching()
    reads: list[timedelta] = []
    started_since = ledger.engine.started_since

    async def spy(since: datetime, *arguments: Any, until: datetime | None = None) -> StartPage:
        reads.append(ledger.clock.now() - WATCH_EVERY - since)
        return await started_since(since, *arguments, until=until)

    monkeypatch.setattr(ledger.engine, "started_since", spy)
    rounds = int(LATE / WATCH_EVERY)
    for _ in range(2 * rounds):
        await ledger.watch()
    assert reads == [*[OVERLAP] * (rounds - 1), REACH] * 2


async def test_execution_that_has_closed_meanwhile_is_final_at_once() -> None:
    """Short executions are no exception; a removed one is forgotten."""
    ledger = await watching()
    for workflow_id in ("short", "gone"):
        start(ledger, workflow_id)
        ledger.world.complete(workflow_id, 1)
    ledger.world.freeze_listing()
    ledger.world.lose("gone")
    await ledger.watch()
    rows = adopted(ledger)
    assert rows.keys() == {"short"}
    assert ledger.statuses(rows["short"].id) == [ACCEPTED, RUNNING, COMPLETED]
    assert ledger.metrics.strays == 0


async def test_schedule_that_starts_500_at_once() -> None:
    """All are adopted in one round, in pages, each described once."""
    ledger = await watching(index_page=100)
    for number in range(500):
        start(ledger, f"order-{number}")
    assert (await ledger.watch()).found == 500
    assert len(ledger.engine.calls["describe"]) == 500
    assert all(row.status is RUNNING and row.dispatch.calls_back for row in ledger.rows().values())


async def test_progress_is_kept_for_each_window() -> None:
    """After a long pause, an interruption in a late window does not repeat the early ones."""
    ledger = await watching()
    for number in range(30):
        start(ledger, f"order-{number}")
        ledger.pass_time(seconds=20)

    async def fail_late() -> None:
        if len(ledger.rows()) >= 15:
            raise EngineUnavailable("away")

    ledger.engine.before["describe", None] = fail_late
    assert not (await ledger.watch()).engine_available
    described = len(ledger.engine.calls["describe"])
    assert described >= 15
    ledger.engine.before.clear()
    ledger.watch_rules = ledger.new_watcher()
    await ledger.watch()
    assert len(ledger.rows()) == 30
    assert len(ledger.engine.calls["describe"]) <= described + 16
    assert len(ledger.engine.calls["started_since"]) <= 20


async def test_chain_that_continues_in_a_later_window_is_adopted() -> None:
    """The index leaves the first run out when it has continued as new."""
    ledger = await watching()
    start(ledger)
    ledger.pass_time(minutes=10)
    ledger.world.continue_as_new("order-1")
    ledger.pass_time(minutes=10)
    await ledger.watch()
    row = adopted(ledger)["order-1"]
    assert row.first_run_id != ledger.world.latest_run("order-1").run_id


async def test_killed_round_is_repeated() -> None:
    """At any step: no start is lost, none adopted twice."""
    for step in range(80):
        ledger = await watching()
        start(ledger, "order-1")
        start(ledger, "order-2")
        died = await ledger.killed(ledger.watch(), step)
        ledger.clock.advance(HOLD)
        ledger.watch_rules = ledger.new_watcher()
        await ledger.watch()
        rows = adopted(ledger)
        assert rows.keys() == {"order-1", "order-2"}
        assert all(row.status is RUNNING and row.dispatch.calls_back for row in rows.values())
        if not died:
            return
    raise AssertionError("a round takes more steps than this test has tried")


async def test_one_execution_does_not_stop_the_others() -> None:
    """One that cannot be stored."""
    ledger = await watching()
    start(ledger, "x" * 1001)
    start(ledger, "order-1")
    await ledger.watch()
    await ledger.watch()
    assert adopted(ledger).keys() == {"order-1"}
    assert len(ledger.engine.calls["describe"]) == 2


async def test_codec_outage_delays_adoption_for_a_minute() -> None:
    """Then the operation is tracked without its input, with a note."""
    ledger = await watching()
    ledger.engine.break_for("input_of", None, PayloadsUnavailable("away"))
    start(ledger)
    await ledger.watch()
    assert ledger.rows() == {}
    ledger.clock.advance(MAX_CODEC_WAIT)
    await ledger.watch()
    row = adopted(ledger)["order-1"]
    assert row.input is None
    assert ledger.history(row.id)[0].details["input"] == "the input could not be read: away"


async def test_workers_share_the_lease() -> None:
    """One worker lists starts in each interval, however many run."""
    ledger = await watching()
    others = [ledger.new_watcher() for _ in range(3)]
    ledger.clock.advance(WATCH_EVERY)
    for watcher in (*others, ledger.watch_rules):
        await watcher.step(1)
    assert len(ledger.engine.calls["started_since"]) == 2


async def test_long_round_keeps_the_lease() -> None:
    """It is extended after each chunk of runs."""
    ledger = await watching()
    for number in range(3 * CHUNK):
        start(ledger, f"order-{number}")
    other = ledger.new_watcher()
    answers: list[StepResult] = []

    async def time_passes() -> None:
        ledger.clock.advance(HOLD / (CHUNK + 1))
        if len(ledger.engine.calls["describe"]) % CHUNK == 0:
            answers.append(await other.step(1))

    ledger.engine.after["describe", None] = time_passes
    await ledger.watch()
    assert answers == [StepResult(0)] * 3


async def test_nothing_is_asked_without_rules() -> None:
    """The ledger that adopts nothing pays nothing."""
    ledger = FakeLedger()
    assert await ledger.watch() == StepResult(0)
    assert ledger.engine.calls == {}
    assert ledger.store._tables.leases == {}


def typed(name: str, query: str | None = None, workflow: str = "Order") -> OperationCatalogue:
    """A catalogue of one more rule beside that of orders."""
    more = replace(ORDER, name=name, workflow=workflow, query=query)
    return OperationCatalogue({"order": replace(ORDER, query="Region = 'eu'"), name: more})


async def test_two_rules_of_one_workflow_type() -> None:
    """The query decides, with a list call for each; what both select has one row."""
    ledger = await watching(typed("american", "Region = 'us'"))
    for region in ("eu", "us", "asia"):
        start(ledger, region, replace(FIELDS, attributes={"Region": region}))
    ledger.engine.calls.clear()
    await ledger.watch()
    assert {name: row.type for name, row in adopted(ledger).items()} == {"eu": "order", "us": "american"}
    assert len(ledger.engine.calls["started_since"]) == 2
    both = await watching(typed("any"))
    start(both, "eu", replace(FIELDS, attributes={"Region": "eu"}))
    await both.watch()
    await both.watch()
    assert len(both.rows()) == 1


async def test_rule_with_a_refused_query_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """Its name is logged and counted, and it is tried again."""
    ledger = await watching(typed("bad", "Region LIKE nothing", workflow="Bad"))
    start(ledger, "eu", replace(FIELDS, attributes={"Region": "eu"}))
    await ledger.watch()
    assert adopted(ledger).keys() == {"eu"}
    assert "the watch rule of type bad" in caplog.text
    assert ledger.metrics.refused_rules == {"bad": 1}
    for _ in range(3):
        await ledger.watch()
    assert ledger.metrics.refused_rules == {"bad": 1}
    ledger.clock.advance(RETRY_RULE_AFTER)
    await ledger.watch()
    assert ledger.metrics.refused_rules == {"bad": 2}


async def test_rule_with_a_tenant() -> None:
    """The operations are that tenant's; one that another tenant has adopted stays with it."""
    ledger = await watching(OperationCatalogue({"order": replace(ORDER, tenant="shop")}))
    start(ledger)
    await ledger.watch()
    assert adopted(ledger)["order-1"].tenant == "shop"
    mixed = await watching(OperationCatalogue({"order": ORDER}))
    start(mixed)
    await mixed.adopt("order-1", tenant="first")
    mixed.world.continue_as_new("order-1")
    await mixed.watch()
    assert [row.tenant for row in mixed.rows().values()] == ["first"]


async def test_parent_that_starts_with_its_child_is_adopted_first() -> None:
    """The index lists the newest first, and the child needs the parent's row."""
    ledger = await watching(index_page=1)
    start(ledger, "parent")
    for number in range(3):
        ledger.pass_time(seconds=0.1)
        ledger.world.start_child(f"child-{number}", ledger.world.latest_run("parent"), FIELDS)
    await ledger.watch()
    rows = adopted(ledger)
    assert len(rows) == 4
    assert {rows[f"child-{number}"].parent_id for number in range(3)} == {rows["parent"].id}


async def test_parent_whose_workflow_id_was_used_before_is_adopted_first() -> None:
    """The operation of the earlier execution is not the child's parent."""
    ledger = await watching(index_page=1)
    start(ledger, "parent")
    await ledger.watch()
    earlier = adopted(ledger)["parent"].id
    ledger.world.complete("parent")
    await ledger.call_back(ledger.world.callbacks[0])
    start(ledger, "parent")
    ledger.pass_time(seconds=0.1)
    ledger.world.start_child("child", ledger.world.latest_run("parent"), FIELDS)
    await ledger.watch()
    parent = next(row for row in ledger.rows().values() if row.workflow_id == "parent" and row.id != earlier)
    assert adopted(ledger)["child"].parent_id == parent.id


async def test_parent_that_starts_again_while_its_earlier_operation_is_open_is_adopted_first() -> None:
    """The earlier execution has closed, and the ledger does not know it yet."""
    ledger = await watching(index_page=1)
    start(ledger, "parent")
    await ledger.watch()
    earlier = adopted(ledger)["parent"]
    ledger.world.complete("parent")
    start(ledger, "parent")
    ledger.pass_time(seconds=0.1)
    ledger.world.start_child("child", ledger.world.latest_run("parent"), FIELDS)
    await ledger.watch()
    assert not ledger.row(earlier.id).done
    parent = next(row for row in ledger.rows().values() if row.workflow_id == "parent" and row.id != earlier.id)
    assert adopted(ledger)["child"].parent_id == parent.id


async def test_child_of_an_unwatched_workflow_has_no_parent() -> None:
    """A parent of another type, or from before the watch, is not adopted for its child's sake."""
    ledger = FakeLedger(catalogue=ADOPTING)
    start(ledger, "old")
    ledger.clock.advance(REACH)
    await ledger.watch()
    start(ledger, "other", StartFields("Other"))
    for parent in ("old", "other"):
        ledger.world.start_child(f"child of {parent}", ledger.world.latest_run(parent), FIELDS)
    await ledger.watch()
    rows = adopted(ledger)
    assert rows.keys() == {"child of old", "child of other"}
    assert {row.parent_id for row in rows.values()} == {None}


async def test_end_without_callback_is_found_by_the_close_poll() -> None:
    """Callbacks off; each chain under the workflow id has its own end."""
    ledger = await watching(callbacks=False)
    start(ledger)
    await ledger.watch()
    ledger.world.complete("order-1", "first")
    start(ledger)
    await ledger.watch()
    ledger.clock.advance(timedelta(seconds=2))
    await ledger.close_poll.step(1)
    first, second = sorted(ledger.rows().values(), key=lambda row: row.accepted_at)
    assert (first.status, first.result) == (COMPLETED, "first")
    assert second.status is RUNNING
    ledger.world.complete("order-1", "second")
    ledger.clock.advance(timedelta(seconds=2))
    await ledger.close_poll.step(1)
    assert ledger.row(second.id).result == "second"


async def test_reconciliation_corrects_adopted_operations() -> None:
    """A lost callback, a reset of a closed execution, and a workflow task that keeps failing."""
    ledger = await watching()
    for workflow_id in ("lost", "reset", "stalled"):
        start(ledger, workflow_id)
    await ledger.watch()
    rows = adopted(ledger)
    await ledger.whole_pass()
    ledger.world.complete("lost", 1)
    ledger.world.terminate_from_outside("reset", "too dear", "bob")
    ledger.world.stall("stalled", "bad code")
    await ledger.whole_pass()
    assert ledger.status(rows["lost"].id) is COMPLETED
    stalled = ledger.row(rows["stalled"].id).attention
    assert stalled is not None
    ledger.world.reset("reset")
    ledger.world.unstall("stalled")
    ledger.pass_time(minutes=1)
    await ledger.whole_pass()
    diverged = ledger.row(rows["reset"].id).attention
    assert diverged is not None
    assert (stalled.kind.value, diverged.kind.value) == ("STALLED", "DIVERGED")
    assert ledger.row(rows["stalled"].id).attention is None


async def test_two_ledgers_on_one_namespace() -> None:
    """Each adopts by its own rules, what the other has started too, and their callbacks do not disturb each other."""
    first = await watching()
    second = FakeLedger(catalogue=ADOPTING, callbacks=True)
    second.world = first.world
    second.engine._inner = first.engine._inner
    second.services.callbacks()._base_url = "http://second.test"
    await second.watch()
    start(first, "order-1", replace(FIELDS, operation_id=UUID(int=7)))
    await first.watch()
    second.clock.advance(timedelta(seconds=5))
    await second.watch()
    assert adopted(first).keys() == adopted(second).keys() == {"order-1"}
    first.world.complete("order-1", 1)
    by_url = {pending.callback.url.split("/v1")[0]: pending for pending in first.world.callbacks}
    for ledger, url in ((second, "http://second.test"), (first, CALLBACK_URL)):
        await ledger.call_back(by_url.pop(url))
        assert adopted(ledger)["order-1"].status is COMPLETED
    assert by_url == {}
