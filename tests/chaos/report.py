"""Prints what was planned, what was done, and what came of it."""

from collections import Counter
from collections.abc import Sequence

from tests.chaos.campaign import Outcome
from tests.chaos.checker.identity import STRAY_QUEUE
from tests.chaos.plan.kinds import Fate, Way
from tests.chaos.plan.plan import Plan

MAX_LINES = 40
"""Lines of each kind that are printed."""


def print_plan(plan: Plan) -> None:
    """What is going to happen."""
    callbacks = "on" if plan.callbacks else "off"
    print(f"plan: seed {plan.seed}, {plan.operations} operations in {plan.minutes:g} min, callbacks {callbacks}")
    print(f"  {len(plan.faults)} faults")
    for kind, count in plan.planned.items():
        print(f"    {count:4d}  {kind}")
    fates = Counter(work.fate for work in plan.work)
    ways = Counter(work.way for work in plan.work)
    sizes = ", ".join(str(len(crowd.works)) for crowd in plan.crowds) or "none"
    print(f"  operations for bulk actions: {sizes}")
    print("  operations by way")
    for way in Way:
        print(f"    {ways[way]:4d}  {way}")
    print("  operations by fate")
    for fate in Fate:
        print(f"    {fates[fate]:4d}  {fate}")
    print(flush=True)


def print_outcome(outcome: Outcome) -> None:
    """What happened, and the verdict."""
    record, findings = outcome.record, outcome.findings
    _print_load(outcome)
    ends = Counter((row.status, row.error_code or "") for row in outcome.facts.rows.values())
    print("rows: " + ", ".join(f"{count} {' '.join(end).strip()}" for end, count in sorted(ends.items())))
    print(f"later ends that contradict the row: {findings.later_ends}")
    print(f"the ledger was {outcome.settled_after:.1f} s behind when Temporal had nothing open any more")
    _print_times("from close to ledger", findings.lags)
    _print_times(f"from start_at to the start, of {len(findings.lateness)}", findings.lateness)
    for missed in outcome.missed:
        print(f"NOT INJECTED {missed}")
    for complaint in record.complaints[:MAX_LINES]:
        print(f"COMPLAINT {complaint}")
    for operation_id in findings.unfinished[:MAX_LINES]:
        print(f"NOT THROUGH its execution goes on: {operation_id}")
    for violation in outcome.violations[:MAX_LINES]:
        print(f"VIOLATION {violation}")
    counts = f"{len(outcome.violations)} violations, {len(record.complaints)} complaints"
    print(f"{counts}, {len(findings.unfinished)} operations not through: {outcome.verdict}", flush=True)


def _print_times(what: str, seconds: Sequence[float]) -> None:
    """Percentiles of sorted times, if there are any."""
    if seconds:
        last = len(seconds) - 1
        found = ", ".join(f"p{share}: {seconds[min(last, len(seconds) * share // 100)]:.3f} s" for share in (50, 99))
        print(f"{what}: {found}, longest: {seconds[-1]:.3f} s")


def _print_load(outcome: Outcome) -> None:
    """Faults, and what clients did and were answered."""
    record, findings = outcome.record, outcome.findings
    print(f"faults injected: {record.injected.total()} of {len(outcome.plan.faults)}")
    for kind, planned in outcome.plan.planned.items():
        print(f"    {record.injected[kind]:4d} of {planned:<4d} {kind}")
    print("workload by fate")
    for (fate, what), count in sorted(record.fates.items()):
        print(f"    {count:4d}  {fate}: {what}")
    print("executions by way, and the origin of their row")
    for (name, row), count in sorted(findings.by_way.items()):
        print(f"    {count:4d}  {Way[name]}: {row}")
    print(f"    {findings.joins:4d}  of {len(record.puts)} starts with a signal or an update joined an execution")
    strays = sum(run.task_queue == STRAY_QUEUE for run in outcome.facts.runs)
    print(f"    {strays:4d}  started by accident, while a callback was attached")
    print(f"    closes refused by Temporal because a signal had arrived: {findings.refused_closes}")
    print(f"submissions by status: {dict(sorted(record.statuses.items()))}")
    if record.adoptions:
        print(f"requests to adopt by status: {dict(sorted(record.adoptions.items()))}")
    trespasses = Counter(one.answer for one in record.trespasses)
    print(f"requests about operations of the other tenant, by answer: {dict(sorted(trespasses.items()))}")
    tenants = Counter(row.tenant for row in outcome.facts.rows.values())
    print("rows by tenant: " + ", ".join(f"{count} {tenant}" for tenant, count in sorted(tenants.items())))
    targets = Counter(
        (order.verb, target.outcome or "PENDING")
        for action_id, order in record.bulk.items()
        for target in outcome.facts.targets.get(action_id, ())
    )
    print("targets of bulk actions: " + ", ".join(f"{count} {' '.join(key)}" for key, count in sorted(targets.items())))
    policies = Counter((one.type, "refused" if one.refused else "answered") for one in record.submissions)
    print(
        "submissions under names: " + ", ".join(f"{count} {' '.join(key)}" for key, count in sorted(policies.items()))
    )
    if outcome.callback_statuses:
        print(f"callbacks by answer: {dict(sorted(outcome.callback_statuses.items()))}")
