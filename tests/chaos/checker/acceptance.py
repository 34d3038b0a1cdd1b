"""P1: a 202 is one row and one workflow chain, or a row that says why there is none; and nothing else exists."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from tests.chaos.checker.bulk import PREFIX
from tests.chaos.checker.chains import Chain
from tests.chaos.checker.facts import Facts, Line, Row, Violation
from tests.chaos.checker.histories import NEVER_RAN

NOBODY = "-"


def answered_once(facts: Facts) -> Iterator[Violation]:
    """Every key and every 202 has its one row; every row has its key; the rest is in identity.py."""
    deleted, made = facts.deleted_in_bulk(), facts.made_in_bulk()
    for key, ids in facts.answers.items():
        if len(ids) != 1:
            yield Violation(NOBODY, "P1", f"one operation for key {key}", str(sorted(ids)))
        for operation_id in ids - facts.rows.keys() - deleted:
            yield Violation(operation_id, "P1", "a row for what was answered 202", "none")
    stored = Counter(operation_id for _, operation_id in facts.stored_keys)
    for key, operation_id in facts.stored_keys:
        if key in facts.rolled_back:
            yield Violation(operation_id, "P1", "nothing of a transaction that was rolled back", key)
        row = facts.rows.get(operation_id)
        if row is None or row.origin != "LEDGER" or (key in facts.unanswered and key not in facts.answers):
            continue
        if operation_id not in facts.answers.get(key, frozenset()):
            answered = sorted(facts.answers.get(key, ()))
            yield Violation(operation_id, "P1", f"key {key} stored with what was answered: {answered}", operation_id)
    for operation_id, row in facts.rows.items():
        shared = facts.declared.policies.get(row.type) == "use_existing" and stored[operation_id] > 1
        keyless = shared or row.type.startswith(PREFIX) or operation_id in made
        if row.origin == "LEDGER" and stored[operation_id] != 1 and not keyless:
            yield Violation(operation_id, "P1", "one idempotency key", str(stored[operation_id]))


def one_chain(
    row: Row, lines: Sequence[Line], chains: Sequence[Chain], deleted: Sequence[datetime]
) -> Iterator[Violation]:
    """The row's workflow chain, or the reason why it has none."""
    never_ran = row.status == "FAILED" and row.error_code in NEVER_RAN and row.started_at is None
    given_up = row.status == "FAILED" and row.superseded_by is not None and row.started_at is None
    if len(chains) > 1:
        starts = ", ".join(f"{chain.first_run_id} at {chain.started_at}" for chain in chains)
        yield Violation(row.id, "P1", "one workflow chain", f"{len(chains)}: {starts}")
    elif chains and never_ran:
        yield Violation(row.id, "P1", f"no execution of what is {row.error_code}", chains[0].first_run_id)
    elif not chains and not never_ran and not given_up and not deleted:
        yield Violation(row.id, "P1", "a workflow chain", f"none; the row is {row.status} {row.error_code}")
    if deleted and chains and chains[0].started_at > min(deleted):
        seen_running = [line.at for line in lines if line.to_status == "RUNNING" and line.at < chains[0].started_at]
        if seen_running:
            found = f"started again at {chains[0].started_at}, seen running at {seen_running[0]}"
            yield Violation(row.id, "P1", "no second start of what was seen to run", found)
