"""P8: an operation belongs to the tenant whose client or rule made it, and no other tenant sees or changes it."""

from collections.abc import Iterator, Sequence

from tests.chaos.checker.chains import Chain, order_of
from tests.chaos.checker.facts import DEFAULT, NOTHING, Facts, Line, Row, Violation

REFUSED = ("404", NOTHING)
"""The answers about operations of other tenants: those about operations that do not exist."""
CLIENT_OF = "client-of-"
"""How the actor in a history begins that is the key of a tenant."""


def tenant_of(key: str) -> str:
    """The tenant of an idempotency key."""
    tenant, slash, _ = key.rpartition("/")
    return tenant if slash else DEFAULT


def boundaries(facts: Facts) -> Iterator[Violation]:
    """What clients were answered, and what the ledger has stored for them."""
    given = [(f"key {key}", tenant_of(key), one) for key, ids in facts.answers.items() for one in ids]
    given += [(f"stored key {key}", tenant_of(key), one) for key, one in facts.stored_keys]
    given += [(f"adoption {one.workflow_id}", one.tenant, one.operation_id) for one in facts.received_ids]
    given += [
        (f"submission {one.key}", one.tenant, one.operation_id)
        for one in facts.submissions
        if one.operation_id is not None
    ]
    for action_id, order in facts.bulk.items():
        given.append((f"bulk {order.verb}", order.tenant, action_id))
    for action_id, targets in facts.targets.items():
        if action_id in facts.rows:
            tenant = facts.rows[action_id].tenant
            given += [(f"target of {action_id}", tenant, target.operation_id) for target in targets]
    for what, tenant, operation_id in given:
        row = facts.rows.get(operation_id)
        if row is not None and row.tenant != tenant:
            yield Violation(operation_id, "P8", f"an operation of {tenant} for {what}", row.tenant)
    for trespass in facts.trespasses:
        if trespass.answer not in REFUSED:
            asked = f"{trespass.request} by {trespass.tenant}"
            yield Violation(trespass.operation_id, "P8", f"{' or '.join(REFUSED)} for {asked}", trespass.answer)


def of_one_tenant(facts: Facts, row: Row, lines: Sequence[Line], chains: Sequence[Chain]) -> Iterator[Violation]:
    """The row, what it refers to, and who has changed it. The work is that of the row's input: under `use_existing` the
    execution may be that of another client's work."""
    order = order_of(facts, row.input)
    wanted = None if order is None else order.tenant
    if row.origin == "ADOPTED" and chains and row.workflow_id not in facts.declared.asked:
        wanted = facts.declared.watcher(chains[-1].first) or wanted
    if wanted is not None and row.tenant != wanted:
        yield Violation(row.id, "P8", f"an operation of {wanted}", row.tenant)
    references: dict[str, str | None] = {
        "parent": row.parent_id,
        "successor": row.superseded_by,
        "retried operation": row.retry_of,
    }
    references |= {f"{name} in the error": row.error_details.get(name) for name in ("operation_id", "superseded_by")}
    for name, reference in references.items():
        other = facts.rows.get(reference or "")
        if other is not None and other.tenant != row.tenant:
            yield Violation(row.id, "P8", f"{name} of {row.tenant}", f"{other.id} of {other.tenant}")
    for line in lines:
        if (line.actor or "").startswith(CLIENT_OF) and line.actor != f"{CLIENT_OF}{row.tenant}":
            yield Violation(row.id, "P8", f"no change by another tenant than {row.tenant}", str(line.actor))
