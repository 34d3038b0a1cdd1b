"""P10: a bulk action does what its client has confirmed, once; and delayed starts are not early."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.chaos.checker.chains import Chain
from tests.chaos.checker.facts import BulkOrder, Facts, Row, Target, Violation

PREFIX = "opledger."
"""Of the types of bulk actions. Their rows have no idempotency key."""
ASKED = "cancellation requested: "
"""How the line of a cancellation request begins, before its reason."""
HANDLED = ("DONE", "SKIPPED")
"""Outcomes of targets in the campaign, where no target fails."""


def bulk_actions(facts: Facts) -> Iterator[Violation]:
    """Each bulk action that was confirmed, and no other; its targets, and what became of each."""
    for operation_id, row in facts.rows.items():
        if row.type.startswith(PREFIX) and operation_id not in facts.bulk:
            yield Violation(operation_id, "P10", "no bulk action without a confirmation", row.type)
    found = _Effects(facts)
    for action_id, order in facts.bulk.items():
        done = facts.rows.get(action_id)
        if done is None or done.status != "COMPLETED":
            yield Violation(action_id, "P10", "a bulk action that completes", "no row" if done is None else done.status)
            continue
        targets = facts.targets.get(action_id, ())
        if violation := _counted(done, order, targets):
            yield violation
            continue
        for target in targets:
            yield from _did(facts, order, target, found)
        for operation_id in found.requested(order).keys() - {target.operation_id for target in targets}:
            yield Violation(operation_id, "P10", f"nothing of bulk action {action_id}", "a request")


class _Effects:
    """What rows and histories show of bulk actions."""

    def __init__(self, facts: Facts) -> None:
        self.deleted = facts.deleted_in_bulk()
        self.retries = Counter(row.retry_of for row in facts.rows.values())
        self._requests: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for operation_id, lines in facts.lines.items():
            for line in lines:
                if line.reason.startswith(ASKED):
                    self._requests[line.reason.removeprefix(ASKED)][operation_id] += 1

    def requested(self, order: BulkOrder) -> Counter[str]:
        """The cancellation requests with the reason of the bulk action, by operation."""
        return self._requests[order.reason]


def _counted(row: Row, order: BulkOrder, targets: Sequence[Target]) -> Violation | None:
    """The targets are the operations that the dry run counted, each once, and each was handled."""
    ids = {target.operation_id for target in targets}
    if len(ids) < len(targets):
        return Violation(row.id, "P10", "no target twice", f"{len(targets) - len(ids)} again")
    if len(ids) != order.matching:
        return Violation(row.id, "P10", f"the {order.matching} targets of the dry run", str(len(ids)))
    if order.candidates is not None and (others := ids - order.candidates):
        return Violation(row.id, "P10", "no target that did not match", ", ".join(sorted(others)))
    outcomes = Counter(target.outcome or "PENDING" for target in targets)
    if outcomes.keys() - {*HANDLED}:
        return Violation(row.id, "P10", f"{' or '.join(HANDLED)} for each target", str(dict(outcomes)))
    numbers = {"matching": len(ids), "failed": 0, **{each.lower(): outcomes[each] for each in HANDLED}}
    if row.result is None or json.loads(row.result) != numbers:
        return Violation(row.id, "P10", f"the result {numbers}", str(row.result))
    return None


def _did(facts: Facts, order: BulkOrder, target: Target, found: _Effects) -> Iterator[Violation]:
    """Rows and histories agree with the outcome of a target."""
    one, wanted, there = target.operation_id, int(target.outcome == "DONE"), target.operation_id in facts.rows
    if order.verb == "delete" and there == bool(wanted):
        yield Violation(one, "P10", f"a deletion that is {target.outcome}", "a row" if there else "none")
    if not there and one not in found.deleted:
        yield Violation(one, "P10", "a row", "none")
    if order.verb == "cancel" and there and (requests := found.requested(order)[one]) != wanted:
        yield Violation(one, "P10", f"as many requests as {target.outcome} says", str(requests))
    if order.verb == "retry":
        new = facts.rows.get(target.new_operation_id or "")
        if found.retries[one] != wanted or (wanted and (new is None or new.retry_of != one)):
            made = f"{found.retries[one]}, of which {target.new_operation_id} is named"
            yield Violation(one, "P10", f"as many retries as {target.outcome} says", made)


def in_time(row: Row, chains: Sequence[Chain]) -> Iterator[Violation]:
    """What is to start later does not start before."""
    if row.start_at is not None and chains and chains[0].started_at < row.start_at:
        yield Violation(row.id, "P1", f"no start before {row.start_at}", str(chains[0].started_at))
