"""All rules over all facts. Pure: the same facts give the same findings."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.chaos.checker.acceptance import answered_once, one_chain
from tests.chaos.checker.chains import chains
from tests.chaos.checker.expectations import as_expected
from tests.chaos.checker.facts import Facts, Violation
from tests.chaos.checker.histories import lines_are_whole, moves, running_needs_a_worker, terminal
from tests.chaos.checker.outcomes import contradicts, outcome, reported_end


@dataclass(frozen=True)
class Findings:
    """What came of it."""

    violations: Sequence[Violation]
    lags: Sequence[float]
    """Seconds from each chain's close to the row's end, in order."""
    later_ends: int
    """Operations whose chain closed once more, otherwise, after the close that the row shows."""
    refused_closes: int
    unfinished: Sequence[str] = ()
    """Operations whose chain goes on: of their end nothing can be said yet."""


def check(facts: Facts) -> Findings:
    """Hold the facts against the promises."""
    violations = list(answered_once(facts))
    lags: list[float] = []
    later = 0
    unfinished = []
    for operation_id, row in facts.rows.items():
        lines = facts.lines.get(operation_id, ())
        found = chains(facts.runs.get(operation_id, ()))
        deleted = facts.deleted.get(operation_id, ())
        if found and found[-1].open:
            unfinished.append(operation_id)
        violations += lines_are_whole(row, lines)
        violations += moves(row, lines)
        violations += running_needs_a_worker(row, lines, found)
        violations += one_chain(row, lines, found, deleted)
        violations += outcome(row, lines, found, deleted)
        if (order := facts.orders.get(operation_id)) is not None:
            violations += as_expected(row, order, found)
        ended = terminal(lines)
        if found and ended and (reported := reported_end(row, found[-1])):
            lags.append((ended.at - reported.closed_at).total_seconds())
            if contradicts(row, found[-1].ends[-1]):
                later += 1
    refused = sum(run.refused_closes for runs in facts.runs.values() for run in runs)
    return Findings(violations, sorted(lags), later, refused, unfinished)
