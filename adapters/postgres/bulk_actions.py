"""Bulk actions in PostgreSQL.

The targets are one array: a dry run writes one row, however many operations match.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.connection.errors import translated
from adapters.postgres.operations.operation_page import for_tenant
from adapters.postgres.operations.page_conditions import condition_of
from adapters.postgres.operations.rows import standard_uuid
from adapters.postgres.operations.text import cleaned, identifier
from adapters.postgres.schema.tables import bulk_actions as actions
from adapters.postgres.schema.tables import bulk_outcomes as outcomes
from adapters.postgres.schema.tables import operations
from application.ports.storage.operation_queries import OperationFilter
from domain.bulk.bulk_action import BulkAction, BulkTerms, BulkVerb
from domain.bulk.target import Target, TargetCode, TargetOutcome
from domain.operation.attention import AttentionKind

_rows: Final = operations.c
_OPERATION_ID: Final = _rows.id.label("operation_id")
_ACTION: Final = sa.select(
    actions.c.id,
    actions.c.tenant,
    actions.c.verb,
    actions.c.created_at,
    actions.c.operation_id,
    actions.c.reason,
    actions.c.force,
    actions.c.actor,
    sa.func.cardinality(actions.c.targets).label("matching"),
).where(actions.c.id == sa.bindparam("of", type_=sa.Uuid))
_PROBLEM: Final = sa.literal_column(
    f"""
    CAST(encode(substring(sha256(convert_to(
        attention_kind || ' ' || CAST(extract(epoch FROM attention_since) * 1000000 AS bigint)
        || CASE attention_kind WHEN '{AttentionKind.DIVERGED}' THEN ' ' || attention_message ELSE '' END, 'UTF8'
    )) FROM 1 FOR 16), 'hex') AS uuid)
    """,
    sa.Uuid,
).label("problem")
"""`Attention.identity`."""
_TARGETS: Final = sa.text(
    """
    SELECT listed.place, listed.operation_id, listed.problem, outcomes.outcome, outcomes.code, outcomes.message,
        outcomes.new_operation_id
    FROM opledger.bulk_actions AS action
    CROSS JOIN LATERAL (
        SELECT found.operation_id, found.problem, CAST(:after + found.number AS integer) AS place
        FROM unnest(
            action.targets[:after + 1 : :after + :at_most], action.problems[:after + 1 : :after + :at_most]
        ) WITH ORDINALITY AS found (operation_id, problem, number)
    ) AS listed
    LEFT JOIN opledger.bulk_outcomes AS outcomes ON outcomes.action_id = action.id AND outcomes.place = listed.place
    WHERE action.id = :of
    ORDER BY listed.place
    """
).bindparams(
    sa.bindparam("of", type_=sa.Uuid),
    sa.bindparam("after", type_=sa.Integer),
    sa.bindparam("at_most", type_=sa.Integer),
)
# At most 100,000 places are joined with their outcomes, in the order of the index.
_TARGETS_OF: Final = sa.text(
    """
    SELECT listed.place, listed.operation_id, listed.problem, outcomes.outcome, outcomes.code, outcomes.message,
        outcomes.new_operation_id
    FROM opledger.bulk_actions AS action
    CROSS JOIN LATERAL (
        SELECT found.operation_id, found.problem, CAST(:after + found.number AS integer) AS place
        FROM unnest(action.targets[:after + 1 : ], action.problems[:after + 1 : ])
            WITH ORDINALITY AS found (operation_id, problem, number)
    ) AS listed
    LEFT JOIN opledger.bulk_outcomes AS outcomes ON outcomes.action_id = action.id AND outcomes.place = listed.place
    WHERE action.id = :of AND coalesce(outcomes.outcome, :pending) = ANY(:outcomes)
    ORDER BY listed.place LIMIT :at_most
    """
).bindparams(
    sa.bindparam("of", type_=sa.Uuid),
    sa.bindparam("after", type_=sa.Integer),
    sa.bindparam("at_most", type_=sa.Integer),
    sa.bindparam("pending", TargetOutcome.PENDING.value, type_=sa.Text),
    sa.bindparam("outcomes", type_=ARRAY(sa.Text)),
)


class PostgresBulkActions:
    """Works within the transaction of its connection, at READ COMMITTED."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, action: BulkAction, criteria: OperationFilter | None, limit: int) -> int | None:
        found = None if criteria is None else condition_of(criteria)
        condition, parameters = found if found is not None else (sa.false(), {})
        given = {
            **parameters,
            "only_tenant": identifier(action.tenant),
            "limit": limit,
            "new_id": action.id,
            "new_verb": action.verb.value,
            "new_created_at": action.created_at,
        }
        with translated():
            acknowledges = action.verb is BulkVerb.ACKNOWLEDGE
            stored = await self._connection.execute(_insertion(condition, with_problems=acknowledges), given)
            matching: int | None = stored.scalar_one_or_none()
        return matching

    async def get(self, action_id: UUID) -> BulkAction | None:
        return await self._one(_ACTION, action_id)

    async def lock(self, action_id: UUID) -> BulkAction | None:
        return await self._one(_ACTION.with_for_update(), action_id)

    async def confirm(self, action_id: UUID, terms: BulkTerms) -> None:
        statement = (
            sa.update(actions)
            .where(actions.c.id == action_id)
            .values(operation_id=action_id, reason=cleaned(terms.reason), force=terms.force, actor=cleaned(terms.actor))
        )
        with translated():
            await self._connection.execute(statement)

    async def targets(
        self, action_id: UUID, *, after: int, limit: int, outcomes: Collection[TargetOutcome] = ()
    ) -> list[Target]:
        given: dict[str, Any] = {"of": action_id, "after": after, "at_most": limit}
        if outcomes:
            given["outcomes"] = [outcome.value for outcome in outcomes]
        with translated():
            rows = await self._connection.execute(_TARGETS_OF if outcomes else _TARGETS, given)
        return [_target(row) for row in rows]

    async def record(self, action_id: UUID, targets: Sequence[Target]) -> None:
        if not targets:
            return
        given = [
            {
                "action_id": action_id,
                "place": target.place,
                "outcome": target.outcome.value,
                "code": None if target.code is None else target.code.value,
                "message": cleaned(target.message),
                "new_operation_id": target.new_operation_id,
            }
            for target in targets
        ]
        with translated():
            await self._connection.execute(insert(outcomes).values(given).on_conflict_do_nothing())

    async def keep_newest(self, tenant: str, number: int) -> int:
        unconfirmed = (
            sa.select(actions.c.id)
            .where(sa.text("operation_id IS NULL"), actions.c.tenant == identifier(tenant))
            .order_by(actions.c.created_at.desc(), actions.c.id.desc())
            .offset(number)
        )
        return await self._delete(sa.select(actions.c.id).where(actions.c.id.in_(unconfirmed)))

    async def purge(self, created_before: datetime, limit: int) -> int:
        old = (
            sa.select(actions.c.id)
            .where(sa.text("operation_id IS NULL"), actions.c.created_at < created_before)
            .order_by(actions.c.created_at, actions.c.id)
            .limit(limit)
        )
        return await self._delete(old)

    async def _delete(self, chosen: "sa.Select[Any]") -> int:
        """Deletes them, without locked ones."""
        old = chosen.with_for_update(skip_locked=True).cte("old").prefix_with("MATERIALIZED")
        with translated():
            return (await self._connection.execute(sa.delete(actions).where(actions.c.id == old.c.id))).rowcount

    async def _one(self, statement: "sa.Select[Any]", action_id: UUID) -> BulkAction | None:
        with translated():
            row = (await self._connection.execute(statement, {"of": action_id})).one_or_none()
        if row is None:
            return None
        terms = None if row.operation_id is None else BulkTerms(row.reason, row.force, row.actor)
        created_at = cast(datetime, row.created_at)
        return BulkAction(standard_uuid(row.id), row.tenant, BulkVerb(row.verb), created_at, row.matching, terms)


def _insertion(condition: sa.ColumnElement[bool], *, with_problems: bool) -> sa.Executable:
    """Returns the statement that finds the targets and stores them, unless there are more than `limit`."""
    problem = _PROBLEM if with_problems else sa.null().label("problem")
    first = for_tenant(sa.select(_OPERATION_ID, _rows.accepted_at, problem).where(condition))
    found = first.limit(sa.bindparam("limit", type_=sa.Integer) + 1).cte("found").prefix_with("MATERIALIZED")
    order = found.c.accepted_at, found.c.operation_id
    none = sa.literal_column("'{}'::uuid[]", ARRAY(sa.Uuid))

    def in_order(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return sa.func.coalesce(sa.func.array_agg(aggregate_order_by(column, *order)), none)

    problems = in_order(found.c.problem) if with_problems else sa.null()
    listed = sa.select(in_order(found.c.operation_id).label("targets"), problems.label("problems")).subquery("listed")
    new = sa.select(
        sa.bindparam("new_id", type_=sa.Uuid),
        sa.bindparam("only_tenant", type_=sa.Text),
        sa.bindparam("new_verb", type_=sa.Text),
        sa.bindparam("new_created_at", type_=actions.c.created_at.type),
        listed.c.targets,
        sa.cast(listed.c.problems, ARRAY(sa.Uuid)),
    ).where(sa.func.cardinality(listed.c.targets) <= sa.bindparam("limit", type_=sa.Integer))
    columns = ["id", "tenant", "verb", "created_at", "targets", "problems"]
    return sa.insert(actions).from_select(columns, new).returning(sa.func.cardinality(actions.c.targets))


def _target(row: sa.Row[Any]) -> Target:
    return Target(
        row.place,
        standard_uuid(row.operation_id),
        TargetOutcome.PENDING if row.outcome is None else TargetOutcome(row.outcome),
        None if row.code is None else TargetCode(row.code),
        row.message,
        row.new_operation_id and standard_uuid(row.new_operation_id),
        row.problem and standard_uuid(row.problem),
    )
