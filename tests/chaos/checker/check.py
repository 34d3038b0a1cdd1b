"""All rules over all facts. Pure: the same facts give the same findings."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.chaos.checker.acceptance import answered_once, one_chain
from tests.chaos.checker.acknowledging import acknowledgements
from tests.chaos.checker.adoption import adopted_for_a_reason, parents, received_ids_have_rows, watched_have_rows
from tests.chaos.checker.bulk import bulk_actions, in_time
from tests.chaos.checker.chains import Chain, chains, order_of
from tests.chaos.checker.expectations import as_expected, came_to
from tests.chaos.checker.facts import Facts, Order, Row, Violation
from tests.chaos.checker.histories import lines_are_whole, moves, running_needs_a_worker, terminal
from tests.chaos.checker.identity import STRAY_QUEUE, Ownership, one_owner_each, own_chain, strays_end
from tests.chaos.checker.joins import executions_of_puts, joined, named_by_refusals, puts
from tests.chaos.checker.outcomes import contradicts, outcome, reported_end
from tests.chaos.checker.policies import policies
from tests.chaos.checker.tenants import boundaries, of_one_tenant


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
    lateness: Sequence[float] = ()
    """Seconds from the `start_at` of each operation to the start of its workflow, in order."""
    joins: int = 0
    """Starts with a signal or an update that have joined an execution."""
    by_way: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Chains by the way that was planned for them, and the origin of their row."""


def check(facts: Facts) -> Findings:
    """Hold the facts against the promises."""
    found = chains(facts.runs)
    ownership = Ownership(facts.rows, found)
    violations = [
        *answered_once(facts),
        *one_owner_each(facts, found, ownership),
        *strays_end(found, ownership),
        *watched_have_rows(facts, found, ownership),
        *received_ids_have_rows(facts, found),
        *puts(facts, found, ownership),
        *named_by_refusals(facts, ownership),
        *parents(facts, found, ownership),
        *policies(facts, ownership),
        *bulk_actions(facts),
        *boundaries(facts),
        *acknowledgements(facts),
        *_untracked(facts, found, ownership),
    ]
    lags: list[float] = []
    lateness: list[float] = []
    later = 0
    unfinished = []
    for operation_id, row in facts.rows.items():
        lines = facts.lines.get(operation_id, ())
        own = ownership.chains_of(row)
        deleted = facts.deleted.get(row.workflow_id, ())
        if own and own[-1].open:
            unfinished.append(operation_id)
        if own and row.start_at is not None:
            lateness.append((own[0].started_at - row.start_at).total_seconds())
        violations += lines_are_whole(row, lines)
        violations += moves(row, lines)
        violations += running_needs_a_worker(row, lines, own)
        violations += own_chain(facts, row, own)
        violations += adopted_for_a_reason(facts, row, own)
        violations += one_chain(row, lines, own, deleted)
        violations += in_time(row, own)
        violations += outcome(row, lines, own, deleted)
        order = _ordered(facts, row, own)
        violations += of_one_tenant(facts, row, lines, own)
        if order is not None:
            violations += as_expected(row, order, own)
        ended = terminal(lines)
        if own and ended and (reported := reported_end(row, own[-1])):
            if lines[0].at < reported.closed_at:
                lags.append((ended.at - reported.closed_at).total_seconds())
            if contradicts(row, own[-1].ends[-1]):
                later += 1
    refused = sum(run.refused_closes for run in facts.runs)
    by_way = _by_way(facts, found, ownership)
    joins = sum(chain is not None and joined(put, chain) for put, chain in executions_of_puts(facts, found))
    return Findings(violations, sorted(lags), later, refused, unfinished, sorted(lateness), joins, by_way)


def _ordered(facts: Facts, row: Row, own: Sequence[Chain]) -> Order | None:
    """What was ordered, by the number that the execution got, or that the row shows."""
    return _order_of(facts, own[-1]) if own else order_of(facts, row.input)


def _order_of(facts: Facts, chain: Chain) -> Order | None:
    """What was ordered; None for children and for operations without an order."""
    return None if chain.first.parent else order_of(facts, chain.first.input)


def _untracked(facts: Facts, found: Sequence[Chain], ownership: Ownership) -> Iterator[Violation]:
    """Executions without a row come to what they should, too."""
    for chain in found:
        tracked = ownership.owners.get(chain.id) or chain.first.task_queue == STRAY_QUEUE
        order = None if tracked else _order_of(facts, chain)
        if order is not None:
            yield from came_to(chain.workflow_id, order, [chain])


def _by_way(facts: Facts, found: Sequence[Chain], ownership: Ownership) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    for chain in found:
        if (order := _order_of(facts, chain)) is not None:
            owners = ownership.owners.get(chain.id, set())
            counts[(order.way, ", ".join(sorted(facts.rows[owner].origin for owner in owners)) or "no row")] += 1
    return counts
