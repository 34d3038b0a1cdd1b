"""P1 and P8: which chain each row refers to, and that nothing else is taken for it.

A chain is a workflow id and the id of the first run. A row owns the chain that it refers to, and the one whose start
names it in the search attribute OperationUUID: these have to be the same one.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID, uuid5

from tests.chaos.checker.chains import Chain, ChainId
from tests.chaos.checker.facts import Facts, Row, Violation

ADOPTED_IDS = UUID("6f9d5c0e-3b0a-5d5e-9a55-0d6a1f0f15ad")
"""UUIDv5 namespace of adopted operations, as docs/adopt.md and the SDK promise it."""
STRAY_QUEUE = "opledger-nobody"
"""Task queue of what attaching a callback has started by accident."""


class Ownership:
    """Rows and their chains."""

    def __init__(self, rows: Mapping[str, Row], found: Sequence[Chain]) -> None:
        by_id = {chain.id: chain for chain in found}
        self.owners: defaultdict[ChainId, set[str]] = defaultdict(set)
        """By chain, the rows that own it."""
        self._of_row: defaultdict[str, list[Chain]] = defaultdict(list)
        for row in rows.values():
            if row.first_run_id is not None:
                self.owners[(row.workflow_id, row.first_run_id)].add(row.id)
        for chain in found:
            if chain.operation_id is not None and chain.operation_id in rows:
                self.owners[chain.id].add(chain.operation_id)
        for chain_id, owners in self.owners.items():
            for owner in owners:
                if chain_id in by_id:
                    self._of_row[owner].append(by_id[chain_id])

    def chains_of(self, row: Row) -> Sequence[Chain]:
        """The chains that the row owns, the earliest first. A true ledger has one at most."""
        return sorted(self._of_row[row.id], key=lambda chain: chain.started_at)


def one_owner_each(facts: Facts, found: Sequence[Chain], ownership: Ownership) -> Iterator[Violation]:
    """Each chain has one row at most, and a chain that names an operation has exactly that one."""
    for (workflow_id, first_run_id), owners in ownership.owners.items():
        if len(owners) > 1:
            yield Violation(min(owners), "P1", f"one row for {workflow_id}/{first_run_id}", str(sorted(owners)))
    deleted = facts.deleted_in_bulk()
    for chain in found:
        if chain.operation_id is None or chain.operation_id in deleted - facts.rows.keys():
            continue
        row = facts.rows.get(chain.operation_id)
        if row is None:
            yield Violation(chain.operation_id, "P1", f"a row for the execution {chain.id}", "none")
        elif row.workflow_id != chain.workflow_id:
            yield Violation(row.id, "P1", f"the workflow id {row.workflow_id}", f"an execution {chain.id}")


def own_chain(facts: Facts, row: Row, chains: Sequence[Chain]) -> Iterator[Violation]:
    """What the row refers to is its own: started for it, or adopted under the id that follows from the chain."""
    referred = next((chain for chain in chains if chain.id == (row.workflow_id, row.first_run_id)), None)
    if row.origin == "ADOPTED":
        if row.first_run_id is None:
            yield Violation(row.id, "P1", "an adopted row refers to a chain", "no first run")
        elif row.id != (wanted := adopted_id(facts.namespace, row.workflow_id, row.first_run_id)):
            yield Violation(row.id, "P1", f"the id {wanted}, which follows from the chain", row.id)
    elif referred is not None and referred.operation_id != row.id and not _used(facts, row, referred):
        yield Violation(row.id, "P8", "an execution that was started for it", f"{referred.operation_id} {referred.id}")
    if referred is not None and referred.operation_id in (None, row.id) and not _used(facts, row, referred):
        yield from _input(row, referred)


def _used(facts: Facts, row: Row, chain: Chain) -> bool:
    """Whether the row is one that uses another client's execution, as its type says."""
    uses = row.origin == "LEDGER" and facts.declared.policies.get(row.type) == "use_existing"
    return uses and chain.operation_id is None


def _input(row: Row, chain: Chain) -> Iterator[Violation]:
    """The row shows what the workflow got."""
    if chain.first.run_id != chain.first_run_id:
        return  # the first run is gone
    shown, given = (None if text is None else json.loads(text) for text in (row.input, chain.first.input))
    if json.dumps(shown, sort_keys=True) != json.dumps(given, sort_keys=True):
        yield Violation(row.id, "P1", f"the input {chain.first.input}", str(row.input))


def strays_end(found: Sequence[Chain], ownership: Ownership) -> Iterator[Violation]:
    """P7: an execution that attaching a callback has started does not run on, and is no operation."""
    for chain in found:
        if chain.first.task_queue != STRAY_QUEUE:
            continue
        if chain.open:
            yield Violation(chain.workflow_id, "P7", "the end of a stray execution", f"{chain.first_run_id} runs")
        for owner in ownership.owners.get(chain.id, ()):
            yield Violation(owner, "P8", "no row for a stray execution", chain.first_run_id)


def adopted_id(namespace: str, workflow_id: str, first_run_id: str) -> str:
    """The id of an adopted operation, made by what is written of it and not by the service's code."""
    name = json.dumps([namespace, workflow_id, first_run_id], ensure_ascii=False, separators=(",", ":"))
    return str(uuid5(ADOPTED_IDS, name))
