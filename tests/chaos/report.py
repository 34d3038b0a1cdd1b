"""Prints what was planned, what was done, and what came of it."""

from collections import Counter

from tests.chaos.campaign import Outcome
from tests.chaos.kinds import Fate
from tests.chaos.plan import Plan

MOST = 40
"""Violations that are printed in full."""


def print_plan(plan: Plan) -> None:
    """What is going to happen."""
    callbacks = "on" if plan.callbacks else "off"
    print(f"plan: seed {plan.seed}, {plan.operations} operations in {plan.minutes:g} min, callbacks {callbacks}")
    print(f"  {len(plan.faults)} faults")
    for kind, count in plan.planned.items():
        print(f"    {count:4d}  {kind}")
    fates = Counter(work.fate for work in plan.work)
    print("  operations by fate")
    for fate in Fate:
        print(f"    {fates[fate]:4d}  {fate}")
    print(flush=True)


def print_outcome(outcome: Outcome) -> None:
    """What happened, and the verdict."""
    record, findings = outcome.record, outcome.findings
    print(f"faults injected: {record.injected.total()} of {len(outcome.plan.faults)}")
    for kind, planned in outcome.plan.planned.items():
        print(f"    {record.injected[kind]:4d} of {planned:<4d} {kind}")
    print("workload by fate")
    for (fate, what), count in sorted(record.fates.items()):
        print(f"    {count:4d}  {fate}: {what}")
    print(f"    closes refused by Temporal because a signal had arrived: {findings.refused_closes}")
    print(f"submissions by status: {dict(sorted(record.statuses.items()))}")
    if outcome.callback_statuses:
        print(f"callbacks by answer: {dict(sorted(outcome.callback_statuses.items()))}")
    ends = Counter((row.status, row.error_code or "") for row in outcome.facts.rows.values())
    print("rows: " + ", ".join(f"{count} {' '.join(end).strip()}" for end, count in sorted(ends.items())))
    print(f"later ends that contradict the row: {findings.later_ends}")
    print(f"the ledger was {outcome.settled_after:.1f} s behind when Temporal had nothing open any more")
    lags = findings.lags
    if lags:
        found = ", ".join(f"p{share}: {lags[min(len(lags) - 1, len(lags) * share // 100)]:.3f} s" for share in (50, 99))
        print(f"from close to ledger: {found}, longest: {lags[-1]:.3f} s")
    for missed in outcome.missed:
        print(f"NOT INJECTED {missed}")
    for complaint in record.complaints[:MOST]:
        print(f"COMPLAINT {complaint}")
    for operation_id in findings.unfinished[:MOST]:
        print(f"NOT THROUGH its execution goes on: {operation_id}")
    for violation in outcome.violations[:MOST]:
        print(f"VIOLATION {violation}")
    counts = f"{len(outcome.violations)} violations, {len(record.complaints)} complaints"
    print(f"{counts}, {len(findings.unfinished)} operations not through: {outcome.verdict}", flush=True)
