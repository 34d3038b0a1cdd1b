"""One campaign: load with faults, calm, settling, verdict."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import asyncpg

from entrypoints.local.embedded.postgres import PORT, USER
from tests.chaos.checker.check import Findings, check
from tests.chaos.checker.facts import Facts, Order, Violation
from tests.chaos.checker.reading.collect import collect
from tests.chaos.checker.reading.engine import Engine
from tests.chaos.faults.injector import Injector
from tests.chaos.load import Load
from tests.chaos.plan.kinds import Way
from tests.chaos.plan.plan import Plan
from tests.chaos.record import Record
from tests.chaos.settling import settle
from tests.chaos.system.declared import declared
from tests.chaos.system.system import System, running_system
from tests.chaos.verdict import Verdict, verdict

SETTLE_TIMEOUT = 200.0
"""Seconds that the ledger may be behind at the end, and that what is wrong then may only be late: a later end that is
to be delivered, a callback that Temporal holds back, a start that a client has recorded and not made."""
FEWEST = 5
"""Executions of a way of which at least one has to become an operation. Without a watch rule a report may be lost."""
ONE_MORE_INTERVAL = 5.0
LOOK_AGAIN = 10.0


@dataclass
class Outcome:
    """What a campaign came to."""

    plan: Plan
    record: Record
    facts: Facts
    findings: Findings
    missed: list[str] = field(default_factory=list)
    """Planned faults that never took effect."""
    settled_after: float = 0.0
    """For how many seconds rows were behind when Temporal had nothing open any more."""
    callback_statuses: dict[int, int] = field(default_factory=dict)

    @property
    def violations(self) -> Sequence[Violation]:
        return self.findings.violations

    @property
    def verdict(self) -> Verdict:
        wrong = bool(self.violations or self.record.complaints or self.missed)
        return verdict(wrong=wrong, unfinished=bool(self.findings.unfinished))


async def run_campaign(plan: Plan, folder: Path, patience: float = SETTLE_TIMEOUT) -> Outcome:
    """Run the plan in the folder. `patience`: see SETTLE_TIMEOUT."""
    record = Record()
    async with running_system(folder, Random(f"callbacks {plan.seed}"), callbacks=plan.callbacks) as system:
        injector = Injector(system, plan, record)
        load = await Load.connect(system, plan, record)
        try:
            await load.run(injector)
        finally:
            await load.close()
        await system.until_ready()
        return await _verdict(system, plan, injector, record, patience)


async def _verdict(system: System, plan: Plan, injector: Injector, record: Record, patience: float) -> Outcome:
    """Wait until everything has ended, one interval more, and judge; what may only be late gets its time."""
    connection = await asyncpg.connect(host=system.socket, port=PORT, user=USER, database="opledger", timeout=10)
    client = await system.client()
    engine = Engine(client)
    works = [*plan.work, *(work for crowd in plan.crowds for work in crowd.all)]
    orders = {work.number: Order(work.type, work.fate.name, work.input, work.way.name, work.tenant) for work in works}
    try:
        settled = await settle(connection, client, patience)
        calm = time.monotonic()
        await asyncio.sleep(ONE_MORE_INTERVAL)
        while True:
            facts = await collect(connection, engine, record, orders, declared())
            findings = check(facts)
            late = findings.violations or findings.unfinished or (plan.callbacks and system.receiver.waiting)
            if not late or time.monotonic() - calm > patience:
                break
            await asyncio.sleep(min(LOOK_AGAIN, patience))
    finally:
        await connection.close()
    injector.callbacks_given()
    for process in system.processes:
        record.complaints += [f"{process.name} ended by itself with {code}" for code in process.ended_by_itself]
    missed = [
        f"{kind}: {record.injected[kind]} of {planned}"
        for kind, planned in plan.planned.items()
        if record.injected[kind] < planned
    ]
    missed += [
        f"{way.value}: no execution became an operation" for way in Way if _came_to_nothing(way, findings.by_way)
    ]
    return Outcome(plan, record, facts, findings, missed, settled, dict(system.receiver.statuses))


def _came_to_nothing(way: Way, by_way: Counter[tuple[str, str]]) -> bool:
    chains = {row: count for (name, row), count in by_way.items() if name == way.name}
    return way not in (Way.FOREIGN, Way.PASSED_OVER) and sum(chains.values()) >= FEWEST and set(chains) == {"no row"}
