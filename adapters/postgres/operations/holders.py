"""The statements that find operations by their workflow ids, and one by its workflow chain."""

from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from adapters.postgres.operations.text import storable
from adapters.postgres.schema.tables import DONE, NOT_DONE, operations

_columns = operations.c


def _statement() -> "sa.CompoundSelect[Any]":
    """Open and closed ones are two branches, so that each reads an index. An operation whose workflow id is its own id
    is in neither index."""
    asked = (
        sa.func.unnest(sa.bindparam("workflow_ids", type_=ARRAY(sa.Text)))
        .table_valued(sa.column("name", sa.Text), name="asked")
        .render_derived()
    )
    of_name = sa.select(operations).where(_columns.workflow_id == asked.c.name).correlate(asked)
    last_closed = of_name.where(sa.text(DONE)).order_by(_columns.accepted_at.desc(), _columns.id.desc()).limit(1)
    each = [branch.lateral() for branch in (of_name.where(sa.text(NOT_DONE)), last_closed)]
    own = sa.select(operations).where(
        _columns.id == sa.any_(sa.bindparam("ids", type_=ARRAY(sa.Uuid))), _columns.workflow_id.is_(None)
    )
    return sa.union_all(*(sa.select(branch).select_from(asked.join(branch, sa.true())) for branch in each), own)


def _of_chain() -> "sa.CompoundSelect[Any]":
    of_run = _columns.first_run_id == sa.bindparam("first_run_id", type_=sa.Text)
    named = sa.select(operations).where(_columns.workflow_id == sa.bindparam("workflow_id", type_=sa.Text), of_run)
    own = sa.select(operations).where(
        _columns.id == sa.bindparam("own_id", type_=sa.Uuid), _columns.workflow_id.is_(None), of_run
    )
    return sa.union_all(named, own)


UNDER_WORKFLOW_IDS: Final = _statement()
OF_CHAIN: Final = _of_chain()


def holders(workflow_ids: Collection[str]) -> dict[str, list[Any]]:
    """Returns the parameters of the statement."""
    held = [name for name in set(workflow_ids) if storable(name)]
    return {"workflow_ids": held, "ids": [found for found in map(own_id, held) if found is not None]}


def own_id(workflow_id: str) -> UUID | None:
    """Returns the id of the operation whose workflow id this is, unless it has another; None: it is no operation's."""
    try:
        found = UUID(workflow_id)
    except ValueError:
        return None
    return found if str(found) == workflow_id else None
