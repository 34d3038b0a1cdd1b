"""P1 and P7 for starts with a signal or an update: what was sent arrives, and the client learns the right operation."""

import json
from collections.abc import Iterator, Sequence

from tests.chaos.checker.chains import Chain
from tests.chaos.checker.facts import Facts, Put, Violation
from tests.chaos.checker.identity import Ownership, adopted_id


def puts(facts: Facts, found: Sequence[Chain], ownership: Ownership) -> Iterator[Violation]:
    """Every answered start."""
    for put, chain in executions_of_puts(facts, found):
        if chain is None or not any(put.item in run.items for run in chain.runs):
            shown = "no run" if chain is None else str(sorted({item for run in chain.runs for item in run.items}))
            yield Violation(put.workflow_id, "P7", f"{put.item} in {put.run_id}", shown)
            continue
        owners = ownership.owners.get(chain.id, set())
        if put.operation_id is None or _concluded(facts, put, chain) or owners == {put.operation_id}:
            continue
        yield Violation(put.operation_id, "P1", f"the operation of the execution {chain.id}", str(sorted(owners)))


def executions_of_puts(facts: Facts, found: Sequence[Chain]) -> Iterator[tuple[Put, Chain | None]]:
    """Each answered start, with the chain of the run that the answer names."""
    of_run = {(run.workflow_id, run.run_id): chain for chain in found for run in chain.runs}
    return ((put, of_run.get((put.workflow_id, put.run_id))) for put in facts.puts)


def joined(put: Put, chain: Chain) -> bool:
    """Whether the execution was started by another start."""
    return chain.first.input is None or json.loads(put.input) != json.loads(chain.first.input)


def _concluded(facts: Facts, put: Put, chain: Chain) -> bool:
    """Whether the plugin itself may have made the id, of an execution that it has just started while the ledger was
    down. The operation of an execution that ran already is named by the ledger alone."""
    return not joined(put, chain) and put.operation_id == adopted_id(facts.namespace, *chain.id)


def named_by_refusals(facts: Facts, ownership: Ownership) -> Iterator[Violation]:
    """The row of a start that has joined an execution names the operation of that execution."""
    for row in facts.rows.values():
        named = row.error_details.get("operation_id") if row.error_code == "START_REJECTED" else None
        if named is None:
            continue
        other = facts.rows.get(named)
        if other is None or other.id == row.id or other.workflow_id != row.workflow_id:
            yield Violation(row.id, "P1", f"another operation with the workflow id {row.workflow_id}", str(named))
        elif not ownership.chains_of(other):
            yield Violation(row.id, "P1", f"an operation {named} that has an execution", "none")
