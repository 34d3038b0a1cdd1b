"""Every rule is enforced by the database itself, for every writer."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.errors import CONSTRAINTS
from adapters.postgres.operations.rows import to_row, transition_to_row
from adapters.postgres.schema.tables import (
    THIS_TRANSACTION,
    api_keys,
    bulk_actions,
    bulk_outcomes,
    idempotency_keys,
    metadata,
    operation_counts,
    operations,
    stream_tickets,
    submitters,
    transitions,
    watermarks,
)
from domain.operation.operation import Operation
from domain.operation.start.creation import accept
from tests.support.operations import ID, T0, accepted, at, cause, completed, dispatched_at, failed, running
from tests.support.pages import text

NO_DISPATCH = {"dispatch_due_at": None}
OPERATIONS: dict[str, tuple[Any, dict[str, Any]]] = {
    "tenant_length": (accepted, {"tenant": ""}),
    "type_length": (accepted, {"type": "x" * 256}),
    "workflow_id_length": (accepted, {"workflow_id": "é" * 501}),
    "origin_known": (accepted, {"origin": "RUMOUR"}),
    "status_known": (running, {"status": "PAUSED", "verify_due_at": None}),
    "error_code_known": (failed, {"error_code": "NO_IDEA"}),
    "attention_kind_known": (
        running,
        {"attention_kind": "BORED", "attention_since": T0, "attention_message": "so what"},
    ),
    "result_iff_completed": (running, {"result": "null"}),
    "error_iff_failed": (completed, {"error_code": "CANCELED", "error_message": "", "error_details": "{}"}),
    "error_whole": (failed, {"error_details": None}),
    "attention_whole": (running, {"attention_since": T0}),
    "cancel_whole": (running, {"cancel_requested_at": T0}),
    "cancel_parts_of_a_request": (running, {"cancel_delivered_at": T0}),
    "children_of_a_request": (running, {"cancel_children_due_at": T0}),
    "finished_iff_done": (running, {"finished_at": at(9)}),
    "accepted_has_not_started": (accepted, {"started_at": at(1)}),
    "running_has_started": (running, {"started_at": None}),
    "completed_has_started": (completed, {"started_at": None}),
    "failed_before_start_for_a_reason": (failed, {"started_at": None}),
    "retried_when_done": (running, {"retried_by": UUID(int=7)}),
    "start_after_acceptance": (accepted, {"start_at": T0}),
    "times_in_order": (running, {"started_at": T0 - timedelta(seconds=1)}),
    "progress_fraction_0_to_1": (running, {"progress": '{"fraction": 1.5}'}),
    "nothing_due_when_done": (completed, {"follow_up_due_at": T0}),
    "unfinished_is_verified": (running, {"verify_due_at": None}),
    "dispatch_due_only_when_accepted": (running, {"dispatch_due_at": T0}),
    "accepted_is_due_or_dispatched": (accepted, NO_DISPATCH),
    "attempts_not_negative": (accepted, {"dispatch_attempts": -1}),
    "version_positive": (accepted, {"version": 0}),
    "revision_positive": (accepted, {"revision": 0}),
    "history_begins_with_acceptance": (accepted, {"history_length": 0}),
}
TRANSITIONS: dict[str, dict[str, Any]] = {
    "sequence_positive": {"sequence": 0, "from_status": "ACCEPTED"},
    "from_status_unless_first": {"sequence": 2},
    "first_is_acceptance": {"to_status": "RUNNING"},
    "from_status_known": {"sequence": 2, "from_status": "PAUSED", "to_status": "PAUSED"},
    "to_status_known": {"sequence": 2, "from_status": "PAUSED", "to_status": "PAUSED"},
    "move_allowed": {"sequence": 2, "from_status": "FAILED", "to_status": "RUNNING"},
    "source_known": {"source": "RUMOUR"},
}
BULK_ACTIONS: dict[str, dict[str, Any]] = {
    "tenant_length": {"tenant": ""},
    "verb_known": {"verb": "pause"},
    "operation_has_its_id": {"operation_id": UUID(int=7), "force": False},
    "terms_when_confirmed": {"operation_id": ID},
    "no_terms_before": {"reason": "no need"},
    "problem_of_each_target": {"problems": [ID]},
}
BULK_OUTCOMES: dict[str, dict[str, Any]] = {
    "place_positive": {"place": 0},
    "outcome_known": {"outcome": "PENDING", "code": "REFUSED"},
    "code_known": {"outcome": "FAILED", "code": "BAD_LUCK"},
    "code_unless_done": {"outcome": "SKIPPED"},
}
API_KEYS: dict[str, dict[str, Any]] = {
    "prefix_form": {"prefix": "ABCDEFGH"},
    "secret_hash_length": {"secret_hash": b"the secret itself"},
    "name_length": {"name": ""},
    "tenant_length": {"tenant": "x" * 256},
    "scopes_known": {"scopes": ["read", "everything"]},
    "expires_later": {"expires_at": T0},
}
STREAM_TICKETS: dict[str, dict[str, Any]] = {
    "secret_hash_length": {"secret_hash": b"the ticket itself"},
    "tenant_length": {"tenant": ""},
}
KEYS: dict[str, dict[str, Any]] = {
    "tenant_length": {"tenant": ""},
    "key_length": {"key": "x" * 256},
}
NOT_VERIFIED = [
    (completed, {"verify_due_at": T0}, "nothing_due_when_done"),
    (accepted, {"verify_due_at": T0}, "unfinished_is_verified"),
    (dispatched_at, {"verify_due_at": None}, "unfinished_is_verified"),
]
MORE_TIMES = [
    {"finished_at": at(1)},
    {"updated_at": T0 - timedelta(seconds=1)},
    {"accepted_at": at(3), "updated_at": at(9)},
]


def line(**fields: Any) -> dict[str, Any]:
    """The first line of the operation's history."""
    change = accept(ID, tenant="t", type_name="x", value=1, labels={}, cause=cause())
    return transition_to_row(ID, change.transitions[0]) | fields


def key(**fields: Any) -> dict[str, Any]:
    """An idempotency key of the operation."""
    return {"tenant": "t", "key": "k", "request_hash": b"", "operation_id": ID, "expires_at": T0} | fields


async def refused_by(engine: AsyncEngine, *statements: sa.Executable) -> str:
    """Returns the name of the constraint that refuses the last of the statements."""
    with pytest.raises(DBAPIError) as caught:
        await run(engine, *statements)
    assert caught.value.orig is not None
    cause_ = caught.value.orig.__cause__
    assert isinstance(cause_, asyncpg.IntegrityConstraintViolationError)
    return str(cause_.constraint_name)


def api_key(**fields: Any) -> dict[str, Any]:
    """An API key's row."""
    row = {"prefix": "aaaaaaaa", "secret_hash": b"x" * 32, "name": "n", "tenant": "t", "scopes": ["read"]}
    return {**row, "created_at": T0, **fields}


def stream_ticket(**fields: Any) -> dict[str, Any]:
    """A stream ticket's row."""
    return {"secret_hash": b"x" * 32, "tenant": "t", "expires_at": at(60), **fields}


def bulk_action(**fields: Any) -> sa.Insert:
    """The row of a bulk action."""
    row = {"id": ID, "tenant": "t", "verb": "cancel", "created_at": T0, "targets": [ID]}
    return sa.insert(bulk_actions).values({**row, **fields})


def bulk_outcome(**fields: Any) -> sa.Insert:
    """The row of a target that was handled."""
    return sa.insert(bulk_outcomes).values({"action_id": ID, "place": 1, "outcome": "DONE", **fields})


async def run(engine: AsyncEngine, *statements: sa.Executable) -> None:
    """Runs the statements in one transaction."""
    async with engine.begin() as connection:
        for statement in statements:
            await connection.execute(statement)


def insert(values: dict[str, Any]) -> sa.Insert:
    """A row of `operations`."""
    return sa.insert(operations).values(values)


@pytest.mark.parametrize("make", [accepted, running, completed, failed])
async def test_valid_operations_of_each_status_are_accepted(postgres_engine: AsyncEngine, make: Any) -> None:
    """So each refusal below has the one reason that it names."""
    await run(postgres_engine, insert(to_row(make())), sa.insert(transitions).values(line()))
    await run(postgres_engine, sa.insert(idempotency_keys).values(key()))


@pytest.mark.parametrize("rule", OPERATIONS)
async def test_each_constraint_of_operations_refuses_its_violation(postgres_engine: AsyncEngine, rule: str) -> None:
    """One rule at a time."""
    make, changes = OPERATIONS[rule]
    assert await refused_by(postgres_engine, insert(to_row(make()) | changes)) == f"ck_operations_{rule}"


@pytest.mark.parametrize("changes", MORE_TIMES, ids=repr)
async def test_times_out_of_order_are_refused(postgres_engine: AsyncEngine, changes: dict[str, Any]) -> None:
    """Accepted, started, finished; and an update before the acceptance."""
    assert await refused_by(postgres_engine, insert(to_row(completed()) | changes)) == "ck_operations_times_in_order"


@pytest.mark.parametrize(("make", "changes", "rule"), NOT_VERIFIED)
async def test_exactly_dispatched_unfinished_operations_are_verified(
    postgres_engine: AsyncEngine, make: Any, changes: dict[str, Any], rule: str
) -> None:
    """Other combinations are refused."""
    assert await refused_by(postgres_engine, insert(to_row(make()) | changes)) == f"ck_operations_{rule}"


@pytest.mark.parametrize("rule", TRANSITIONS)
async def test_each_constraint_of_transitions_refuses_its_violation(postgres_engine: AsyncEngine, rule: str) -> None:
    """One rule at a time."""
    statement = sa.insert(transitions).values(line(**TRANSITIONS[rule]))
    name = await refused_by(postgres_engine, insert(to_row(accepted())), statement)
    # If a value violates two rules, PostgreSQL names the first.
    assert name == f"ck_transitions_{'from_status_known' if rule == 'to_status_known' else rule}"


@pytest.mark.parametrize(("rule", "fields"), [*API_KEYS.items(), ("scopes_known", {"scopes": []})])
async def test_each_constraint_of_api_keys_refuses_its_violation(
    postgres_engine: AsyncEngine, rule: str, fields: dict[str, Any]
) -> None:
    """One rule at a time."""
    statement = sa.insert(api_keys).values(api_key(**fields))
    assert await refused_by(postgres_engine, statement) == f"ck_api_keys_{rule}"


@pytest.mark.parametrize("rule", STREAM_TICKETS)
async def test_each_constraint_of_stream_tickets_refuses_its_violation(postgres_engine: AsyncEngine, rule: str) -> None:
    """One rule at a time."""
    statement = sa.insert(stream_tickets).values(stream_ticket(**STREAM_TICKETS[rule]))
    assert await refused_by(postgres_engine, statement) == f"ck_stream_tickets_{rule}"


@pytest.mark.parametrize("rule", BULK_ACTIONS)
async def test_each_constraint_of_bulk_actions_refuses_its_violation(postgres_engine: AsyncEngine, rule: str) -> None:
    """One rule at a time."""
    await run(postgres_engine, bulk_action(), bulk_outcome())
    assert await refused_by(postgres_engine, bulk_action(**BULK_ACTIONS[rule])) == f"ck_bulk_actions_{rule}"


@pytest.mark.parametrize("rule", BULK_OUTCOMES)
async def test_each_constraint_of_bulk_outcomes_refuses_its_violation(postgres_engine: AsyncEngine, rule: str) -> None:
    """One rule at a time."""
    name = await refused_by(postgres_engine, bulk_action(), bulk_outcome(**BULK_OUTCOMES[rule]))
    assert name == f"ck_bulk_outcomes_{rule}"


async def test_bulk_action_needs_its_operation(postgres_engine: AsyncEngine) -> None:
    """Once it is confirmed. An outcome needs the bulk action."""
    confirmed = bulk_action(operation_id=ID, force=False)
    assert await refused_by(postgres_engine, confirmed) == "fk_bulk_actions_operation_id_operations"
    assert await refused_by(postgres_engine, bulk_outcome()) == "fk_bulk_outcomes_action_id_bulk_actions"
    assert await refused_by(postgres_engine, bulk_action(), bulk_action()) == "pk_bulk_actions"
    assert await refused_by(postgres_engine, bulk_action(), bulk_outcome(), bulk_outcome()) == "pk_bulk_outcomes"


@pytest.mark.parametrize("rule", KEYS)
async def test_each_constraint_of_idempotency_keys_refuses_its_violation(
    postgres_engine: AsyncEngine, rule: str
) -> None:
    """One rule at a time."""
    statement = sa.insert(idempotency_keys).values(key(**KEYS[rule]))
    assert await refused_by(postgres_engine, statement) == f"ck_idempotency_keys_{rule}"


async def test_primary_keys_refuse_duplicates(postgres_engine: AsyncEngine) -> None:
    """Of an id, a history line, a tenant's key and a watermark."""
    await run(postgres_engine, insert(to_row(accepted())), sa.insert(transitions).values(line()))
    await run(postgres_engine, sa.insert(idempotency_keys).values(key()))
    assert await refused_by(postgres_engine, insert(to_row(running()))) == "pk_operations"
    assert await refused_by(postgres_engine, sa.insert(transitions).values(line())) == "pk_transitions"
    assert await refused_by(postgres_engine, sa.insert(idempotency_keys).values(key())) == "pk_idempotency_keys"
    mark = sa.insert(watermarks).values(name="executions", at=T0)
    assert await refused_by(postgres_engine, mark, mark) == "pk_watermarks"
    one = sa.insert(api_keys).values(api_key())
    assert await refused_by(postgres_engine, one, one) == "pk_api_keys"


async def test_history_and_key_need_their_operation(postgres_engine: AsyncEngine) -> None:
    """Within a transaction, the key may come first."""
    name = await refused_by(postgres_engine, sa.insert(transitions).values(line()))
    assert name == "fk_transitions_operation_id_operations"
    name = await refused_by(postgres_engine, sa.insert(idempotency_keys).values(key()))
    assert name == "fk_idempotency_keys_operation_id_operations"
    await run(postgres_engine, sa.insert(idempotency_keys).values(key()), insert(to_row(accepted())))


async def test_deleting_an_operation_deletes_history_and_keys(postgres_engine: AsyncEngine) -> None:
    """By the foreign keys. The changes of its count stay until they are folded, and add up to nothing."""
    await run(postgres_engine, insert(to_row(completed())), sa.insert(transitions).values(line()))
    await run(postgres_engine, sa.insert(idempotency_keys).values(key()))
    await run(postgres_engine, sa.delete(operations))
    async with postgres_engine.connect() as connection:
        for table in (operations, transitions, idempotency_keys):
            assert await connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0
        assert await connection.scalar(sa.select(sa.func.sum(operation_counts.c.change))) == 0


async def test_a_tenant_of_a_role_has_a_length(postgres_engine: AsyncEngine) -> None:
    """As that of an operation."""
    given = sa.insert(submitters).values(role="team", tenant="")
    assert await refused_by(postgres_engine, given) == "ck_submitters_tenant_length"


@pytest.mark.parametrize("changes", [{"workflow_id": "another"}, {"unchecked": True}], ids=repr)
async def test_a_checked_operation_keeps_its_workflow_id(postgres_engine: AsyncEngine, changes: dict[str, Any]) -> None:
    """Only the dispatcher's check of an operation that was submitted in SQL sets it, once."""
    await run(postgres_engine, insert({**to_row(accepted()), "unchecked": True}))
    await run(postgres_engine, sa.update(operations).values(workflow_id="first", unchecked=False))
    update = sa.update(operations).values(**changes)
    assert await refused_by(postgres_engine, update) == "operations_workflow_id_is_kept"


@pytest.mark.parametrize("row", [accepted, running], ids=["accepted", "running"])
async def test_unfinished_operation_cannot_be_deleted_by_sql(
    postgres_engine: AsyncEngine, row: Callable[[], Operation]
) -> None:
    """Its execution would run on unseen."""
    await run(postgres_engine, insert(to_row(row())))
    assert await refused_by(postgres_engine, sa.delete(operations)) == "operations_unfinished_is_not_deleted"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "RUNNING", "result": None, "finished_at": None},
        {"status": "ACCEPTED", "result": None, "finished_at": None, "started_at": None, "dispatch_due_at": T0},
        {"status": "FAILED", "result": None, "error_code": "CANCELED", "error_message": "", "error_details": "{}"},
        {"result": "null"},
        {"finished_at": at(99)},
    ],
    ids=repr,
)
async def test_sql_cannot_change_a_completed_operations_outcome(
    postgres_engine: AsyncEngine, changes: dict[str, Any]
) -> None:
    """Neither status nor result (P2)."""
    await run(postgres_engine, insert(to_row(completed())))
    update = sa.update(operations).values(changes)
    assert await refused_by(postgres_engine, update) == "operations_outcome_is_final"


@pytest.mark.parametrize(
    "changes",
    [
        {"error_code": "TERMINATED"},
        {"error_message": "otherwise"},
        {"error_details": '{"a": 1}'},
        {"status": "COMPLETED", "result": "1", "error_code": None, "error_message": None, "error_details": None},
    ],
    ids=repr,
)
async def test_sql_cannot_change_a_failed_operations_error(
    postgres_engine: AsyncEngine, changes: dict[str, Any]
) -> None:
    """P2."""
    await run(postgres_engine, insert(to_row(failed())))
    update = sa.update(operations).values(changes)
    assert await refused_by(postgres_engine, update) == "operations_outcome_is_final"


async def test_running_cannot_become_accepted(postgres_engine: AsyncEngine) -> None:
    """Its execution has started."""
    await run(postgres_engine, insert(to_row(running())))
    update = sa.update(operations).values(status="ACCEPTED", started_at=None)
    assert await refused_by(postgres_engine, update) == "operations_running_is_not_taken_back"


async def test_attention_of_a_finished_operation_may_change(postgres_engine: AsyncEngine) -> None:
    """With the counters of changes, its retry, whether it is kept, and the passing on of its cancellation request."""
    request = {"cancel_requested_at": at(2), "cancel_forced": False}
    await run(postgres_engine, insert(to_row(completed()) | request))
    attention = {"attention_kind": "DIVERGED", "attention_since": at(4), "attention_message": "reset"}
    counted = {"updated_at": at(4), "revision": 9, "version": 9, "history_length": 9, "changed_in": THIS_TRANSACTION}
    later = {"cancel_children_due_at": at(4), "retried_by": UUID(int=7), "acknowledged": "{}", "keep": True}
    await run(postgres_engine, sa.update(operations).values(**attention, **counted, **later))
    assert attention.keys() | counted.keys() | later.keys() == FREE


OTHERS = {
    "calls_back": True,
    "id": UUID(int=7),
    "tenant": "another",
    "type": "another",
    "status": "FAILED",
    "input": "{}",
    "labels": '{"a": "b"}',
    "result": "2",
    "error_code": "CANCELED",
    "error_message": "another",
    "error_details": "{}",
    "progress": '{"fraction": 0.5, "message": null}',
    "accepted_at": at(-1),
    "started_at": at(1),
    "finished_at": at(9),
    "cancel_requested_at": at(2),
    "cancel_requested_by": "another",
    "cancel_reason": "another",
    "cancel_forced": True,
    "cancel_delivered_at": at(2),
    "reported": "{}",
    "dispatch_due_at": at(9),
    "dispatch_attempts": 7,
    "dispatched_at": at(1.5),
    "follow_up_due_at": at(9),
    "follow_up_attempts": 7,
    "verified_at": at(9),
    "verify_due_at": at(9),
    "trace_context": "{}",
    "first_run_id": "another",
    "workflow_id": "another",
    "origin": "ADOPTED",
    "parent_id": UUID(int=7),
    "start_at": at(5),
    "retry_of": UUID(int=7),
    "superseded_by": UUID(int=7),
}
"""A different value for each column that is final."""
FREE = {column.name for column in operations.c} - OTHERS.keys() - {"unchecked"}  # final since the check


def test_docs_list_the_columns_that_may_change() -> None:
    """In a finished operation."""
    _, _, table = text("docs/access.md").partition("### Final rows")
    cells = re.findall(r"^\| (`.*?) \|", table, re.M)
    assert {column for cell in cells for column in re.findall(r"`(\w+)`", cell)} == FREE


@pytest.mark.parametrize("column", OTHERS)
async def test_sql_cannot_change_other_columns_of_a_finished_operation(
    postgres_engine: AsyncEngine, column: str
) -> None:
    """As the table's owner, too."""
    await run(postgres_engine, insert(to_row(completed())))
    update = sa.update(operations).values({column: OTHERS[column]})
    assert await refused_by(postgres_engine, update) == "operations_outcome_is_final"


def test_every_constraint_has_a_test_above() -> None:
    """A new CHECK needs one."""
    tried = {"operations": set(OPERATIONS), "transitions": set(TRANSITIONS), "idempotency_keys": set(KEYS)}
    tried |= {"watermarks": set(), "leases": set(), "api_keys": set(API_KEYS)}
    tried |= {"stream_tickets": set(STREAM_TICKETS), "operation_counts": set(), "submitters": {"tenant_length"}}
    tried |= {"operation_throughput_changes": set(), "operation_throughput": set()}
    tried |= {"bulk_actions": set(BULK_ACTIONS), "bulk_outcomes": set(BULK_OUTCOMES)}
    for table in metadata.sorted_tables:
        named = {check.name for check in table.constraints if isinstance(check, sa.CheckConstraint)}
        assert named == {f"ck_{table.name}_{rule}" for rule in tried[table.name]}


async def test_every_error_belongs_to_an_existing_constraint(postgres_engine: AsyncEngine) -> None:
    """The table of errors has no other names."""
    query = "SELECT conname FROM pg_constraint UNION SELECT tgname FROM pg_trigger"
    query += " UNION SELECT indexname FROM pg_indexes"
    async with postgres_engine.connect() as connection:
        there = set(await connection.scalars(sa.text(query)))
    assert set(CONSTRAINTS) <= there
