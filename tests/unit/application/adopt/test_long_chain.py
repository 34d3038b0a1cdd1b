"""A chain that continues as new for ever costs by rounds of the ledger, and not by its runs."""

from domain.operation.report import Progress, Report, ReportKind
from domain.operation.status import OperationStatus
from tests.support.ledger.in_memory import ADOPTING, FakeLedger
from tests.support.operations import stated
from tests.unit.application.adopt.test_watch_rules import start

RUNS, ROUNDS = 10_000, 10
ACCEPTED, RUNNING, COMPLETED = OperationStatus.ACCEPTED, OperationStatus.RUNNING, OperationStatus.COMPLETED
Costs = dict[str, int]


async def followed(runs: int, *, late: bool) -> tuple[FakeLedger, Costs]:
    """A chain of that many runs that was followed to its end, and the number of requests by kind. `late`: nobody looks
    before the last run."""
    ledger = FakeLedger(catalogue=ADOPTING, callbacks=True)
    await ledger.watch()
    start(ledger)
    for _ in range(ROUNDS):
        if not late:
            await every_service(ledger)
        for _ in range(runs // ROUNDS):
            ledger.world.continue_as_new("order-1")
        ledger.world.pick_up("order-1")
    await every_service(ledger)
    ledger.world.complete("order-1", "at last")
    for pending in ledger.world.callbacks:
        await ledger.call_back(pending)
    await every_service(ledger)
    return ledger, {name: len(calls) for name, calls in ledger.engine.calls.items()}


async def every_service(ledger: FakeLedger) -> None:
    """One round of all that looks at executions."""
    ledger.pass_time(minutes=1)
    await ledger.watch()
    await ledger.follow_up(10)
    await ledger.close_poll.step(1)
    await ledger.verify(10)
    await ledger.whole_pass()


async def test_chain_of_10_000_runs_costs_as_much_as_one_of_10() -> None:
    """Watched from its first run: one row, one callback, and as many requests."""
    _, short = await followed(ROUNDS, late=False)
    ledger, long = await followed(RUNS, late=False)
    assert long == short
    assert 0 < long["describe"] <= ROUNDS + 2
    [row] = ledger.rows().values()
    assert ledger.statuses(row.id) == [ACCEPTED, RUNNING, COMPLETED]
    assert len(ledger.history(row.id)) == 3
    assert len(ledger.world.callbacks) == 1


async def test_chain_that_is_found_in_its_last_run_costs_as_much() -> None:
    """The operation has the input and the start of its first run."""
    _, short = await followed(ROUNDS, late=True)
    ledger, long = await followed(RUNS, late=True)
    assert long == short
    [row] = ledger.rows().values()
    assert (row.input, row.result) == ({"cart": 7}, "at last")
    assert row.first_run_id != ledger.world.latest_run("order-1").run_id


async def test_report_of_the_last_of_10_000_runs_costs_one_question() -> None:
    """Whether the run belongs to the chain; later reports of the run cost none."""
    ledger = FakeLedger(catalogue=ADOPTING, callbacks=True)
    start(ledger)
    row = (await ledger.adopt("order-1")).operation
    for _ in range(RUNS):
        ledger.world.continue_as_new("order-1")
    ledger.engine.calls.clear()
    for part in range(1, 4):
        report = Report(ReportKind.PROGRESS, ledger.clock.now(), progress=Progress(part / 4))
        await ledger.reports.receive(row.id, report, ledger.world.latest_run("order-1"))
    assert {name: len(calls) for name, calls in ledger.engine.calls.items()} == {"origin": 1}
    assert stated(ledger.row(row.id).progress) == (0.75, None)
