"""P1 and P8: what others start becomes an operation where a rule or a client says so, and nothing else does."""

from collections.abc import Iterator, Sequence

from tests.chaos.checker.chains import Chain, ChainId
from tests.chaos.checker.facts import Facts, Row, Violation
from tests.chaos.checker.identity import STRAY_QUEUE, Ownership, adopted_id


def watched_have_rows(facts: Facts, found: Sequence[Chain], ownership: Ownership) -> Iterator[Violation]:
    """Every execution that a watch rule selects is an operation, unless it was deleted."""
    for chain in found:
        watched = facts.declared.watches(chain.first) and chain.first.task_queue != STRAY_QUEUE
        if watched and not ownership.owners.get(chain.id) and chain.workflow_id not in facts.deleted:
            yield Violation(chain.workflow_id, "P1", f"a row for the watched execution {chain.id}", "none")


def received_ids_have_rows(facts: Facts, found: Sequence[Chain]) -> Iterator[Violation]:
    """Every operation whose id a client received has a row, which refers to the client's execution."""
    of_run = {(run.workflow_id, run.run_id): chain for chain in found for run in chain.runs}
    for received in facts.received_ids:
        row = facts.rows.get(received.operation_id)
        if row is None:
            yield Violation(
                received.operation_id,
                "P1",
                f"a row for the id that a client received for {received.workflow_id}",
                "none",
            )
            continue
        chain = None if received.run_id is None else of_run.get((received.workflow_id, received.run_id))
        if row.workflow_id != received.workflow_id:
            yield Violation(row.id, "P1", f"the workflow id {received.workflow_id}", row.workflow_id)
        elif chain is not None and row.first_run_id not in (None, chain.first_run_id):
            yield Violation(row.id, "P1", f"the client's execution {chain.id}", str(row.first_run_id))


def adopted_for_a_reason(facts: Facts, row: Row, chains: Sequence[Chain]) -> Iterator[Violation]:
    """A watch rule selects an adopted execution, or it runs in a worker with the plugin, a client with the plugin has
    started it, or a client has asked for it."""
    if row.origin != "ADOPTED" or not chains:
        return
    first, declared = chains[-1].first, facts.declared
    if declared.watches(first) or first.task_queue in declared.reporting:
        return
    if row.workflow_id not in declared.asked:
        yield Violation(row.id, "P8", "no adoption that nobody asked for", f"{first.workflow_type} {row.workflow_id}")


def parents(facts: Facts, found: Sequence[Chain], ownership: Ownership) -> Iterator[Violation]:
    """A parent is the operation of the workflow that has started this one as a child, or that the submission names."""
    for operation_id, named in facts.parents.items():
        found_parent = facts.rows[operation_id].parent_id if operation_id in facts.rows else named
        if found_parent != named:
            yield Violation(operation_id, "P1", f"the parent {named}, which the submission names", str(found_parent))
    of_run = {(run.workflow_id, run.run_id): chain for chain in found for run in chain.runs}
    for chain in found:
        parent = None if chain.first.parent is None else of_run.get(chain.first.parent)
        for row in (facts.rows[owner] for owner in ownership.owners.get(chain.id, ())):
            if parent is None:
                if row.parent_id is not None and chain.first.parent is None and row.id not in facts.parents:
                    yield Violation(row.id, "P1", "no parent of what no workflow has started", row.parent_id)
                continue
            owners = ownership.owners.get(parent.id, set())
            wanted = owners or {_adopted(facts, parent.id)}
            if row.parent_id is not None and row.parent_id not in wanted:
                yield Violation(row.id, "P1", f"the parent {sorted(wanted)}", row.parent_id)
            elif row.parent_id is None and _was_known(facts, owners):
                yield Violation(row.id, "P1", f"the parent {sorted(owners)}", "none")


def _adopted(facts: Facts, chain: ChainId) -> str:
    """A parent that has not been adopted yet is named by the id that it will have."""
    return adopted_id(facts.namespace, *chain)


def _was_known(facts: Facts, owners: set[str]) -> bool:
    """Whether the parent was an operation before its execution started, so that every child finds it."""
    return any(facts.rows[owner].origin in ("LEDGER", "CLIENT") for owner in owners)
