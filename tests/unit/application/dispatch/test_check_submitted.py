"""Operations that were submitted in SQL are checked before their start."""

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.operation.operation import Cause, Change
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.start.creation import accept
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger.in_memory import LEASE, FakeLedger
from tests.unit.application.submit.test_workflow_ids import TYPES, submitted

SCHEMA: Any = {"type": "object", "required": ["machine"], "properties": {"machine": {"type": "string"}}}
STRICT = OperationType("strict", "Strict", "workers", input_schema=SCHEMA)
CATALOGUE = OperationCatalogue({kind.name: kind for kind in (*TYPES, STRICT)})
STEPS = 40
"""More than a dispatch with a check has."""


async def in_sql(fake: FakeLedger, kind: str, value: Any, tenant: str = "default") -> UUID:
    """Stores what `opledger.submit` stores; returns its id."""
    cause = Cause(Source.CLIENT, "accepted", fake.clock.now())
    made = accept(uuid4(), tenant=tenant, type_name=kind, value=value, labels={}, cause=cause)
    async with fake.units() as unit:
        await unit.operations.add(Change(replace(made.operation, unchecked=True), made.transitions))
        await unit.commit()
    return made.operation.id


def rejection(fake: FakeLedger, operation_id: UUID) -> OperationError:
    """Returns why the operation was rejected."""
    row = fake.row(operation_id)
    assert row.status is OperationStatus.FAILED
    assert row.started_at is None
    assert row.error is not None
    assert row.error.code is ErrorCode.START_REJECTED
    return row.error


async def test_a_valid_operation_is_started_once() -> None:
    """The workflow id is the operation's id."""
    fake = FakeLedger(catalogue=CATALOGUE)
    operation_id = await in_sql(fake, "strict", {"machine": "m"})
    await fake.dispatch(10)
    [start] = fake.world.starts
    assert (start.operation_id, start.workflow_id) == (operation_id, str(operation_id))
    assert not fake.row(operation_id).unchecked


async def test_an_invalid_input_is_rejected_with_pointers() -> None:
    """Every violation. The workflow is not started."""
    fake = FakeLedger(catalogue=CATALOGUE)
    operation_id = await in_sql(fake, "strict", {"machine": 7})
    await fake.dispatch(10)
    error = rejection(fake, operation_id)
    assert error.message.startswith("/input/machine: ")
    rule = error.message.removeprefix("/input/machine: ")
    assert error.details == {"errors": [{"pointer": "/input/machine", "detail": rule}]}
    assert fake.world.starts == []


async def test_an_unknown_type_is_rejected() -> None:
    """The error lists the declared ones."""
    fake = FakeLedger(catalogue=CATALOGUE)
    operation_id = await in_sql(fake, "unheard-of", None)
    await fake.dispatch(10)
    assert rejection(fake, operation_id).message.startswith("/type: ")
    assert "until-done" in rejection(fake, operation_id).message


async def test_the_workflow_id_is_filled() -> None:
    """Before the start; readers see it."""
    fake = FakeLedger(catalogue=CATALOGUE)
    operation_id = await in_sql(fake, "reject", {"machine": "m"})
    version = fake.row(operation_id).version
    await fake.dispatch(10)
    [start] = fake.world.starts
    assert (start.operation_id, start.workflow_id) == (operation_id, "deploy-m")
    row = fake.row(operation_id)
    assert (row.workflow_id, row.unchecked) == ("deploy-m", False)
    assert row.version > version


async def test_values_that_fill_no_workflow_id_are_rejected() -> None:
    """The error has the place in the input."""
    fake = FakeLedger(catalogue=CATALOGUE)
    operation_id = await in_sql(fake, "reject", {})
    await fake.dispatch(10)
    assert rejection(fake, operation_id).details["errors"][0]["pointer"] == "/input/machine"  # type: ignore[index,call-overload]


@pytest.mark.parametrize("kind", ["reject", "use"])
async def test_an_open_workflow_id_is_rejected_with_its_operation(kind: str) -> None:
    """Also where the type would use the open one: the caller has the id of this one. That of another tenant is not
    named."""
    fake = FakeLedger(catalogue=CATALOGUE)
    holder = await submitted(fake, kind)
    one, two = await in_sql(fake, kind, {"machine": "m"}), await in_sql(fake, kind, {"machine": "m"}, "another")
    await fake.dispatch(10)
    assert rejection(fake, one).details == {"operation_id": str(holder.id)}
    assert rejection(fake, two).details == {}
    assert [start.operation_id for start in fake.world.starts] == [holder.id]


async def test_an_open_operation_is_superseded() -> None:
    """Where the type says so."""
    fake = FakeLedger(catalogue=CATALOGUE)
    first = await submitted(fake, "terminate")
    await fake.dispatch(10)
    second = await in_sql(fake, "terminate", {"machine": "m"})
    await fake.dispatch(10)
    assert fake.row(first.id).superseded_by == second
    assert fake.row(second).workflow_id == "deploy-m"
    assert [start.operation_id for start in fake.world.starts] == [first.id, second]


async def test_a_cancelled_operation_is_not_checked() -> None:
    """It is CANCELED."""
    fake = FakeLedger(catalogue=CATALOGUE)
    operation_id = await in_sql(fake, "strict", {"machine": 7})
    await fake.cancel(operation_id)
    await fake.dispatch(10)
    error = fake.row(operation_id).error
    assert error is not None
    assert error.code is ErrorCode.CANCELED


@pytest.mark.parametrize("kind", ["strict", "reject"])
async def test_a_crash_at_any_step_loses_and_doubles_nothing(kind: str) -> None:
    """P1: the operation is checked and started once in effect, also under a workflow id from a template."""
    crashes = 0
    for step in range(STEPS):
        fake = FakeLedger(catalogue=CATALOGUE)
        operation_id = await in_sql(fake, kind, {"machine": "m"})
        crashes += await fake.killed(fake.dispatch(10), step)
        await repeated(fake)
        [start] = fake.world.starts
        row = fake.row(operation_id)
        assert start.operation_id == operation_id
        assert (row.status, row.unchecked) == (OperationStatus.ACCEPTED, False)
        assert row.dispatch.done_at is not None
        assert len(fake.history(operation_id)) == row.history_length
    assert 10 < crashes < STEPS


@pytest.mark.parametrize(("kind", "value"), [("strict", {"machine": 7}), ("reject", {}), ("unheard-of", None)])
async def test_a_crash_at_any_step_rejects_an_invalid_operation_once(kind: str, value: Any) -> None:
    """Nothing is started, and the history has one end."""
    crashes = 0
    for step in range(STEPS):
        fake = FakeLedger(catalogue=CATALOGUE)
        operation_id = await in_sql(fake, kind, value)
        crashes += await fake.killed(fake.dispatch(10), step)
        await repeated(fake)
        rejection(fake, operation_id)
        assert fake.statuses(operation_id) == [OperationStatus.ACCEPTED, OperationStatus.FAILED]
        assert fake.world.starts == []
    assert 5 < crashes < STEPS


async def test_a_crash_at_any_step_supersedes_once() -> None:
    """The open operation with the workflow id is terminated, and the other one is started."""
    crashes = 0
    for step in range(STEPS):
        fake = FakeLedger(catalogue=CATALOGUE)
        first = await submitted(fake, "terminate")
        await fake.dispatch(10)
        second = await in_sql(fake, "terminate", {"machine": "m"})
        crashes += await fake.killed(fake.dispatch(10), step)
        await repeated(fake)
        assert fake.row(first.id).superseded_by == second
        assert [start.operation_id for start in fake.world.starts] == [first.id, second]
        assert (fake.row(second).workflow_id, fake.row(second).unchecked) == ("deploy-m", False)
    assert 10 < crashes < STEPS


async def repeated(fake: FakeLedger) -> None:
    """Other dispatchers take over until nothing is due."""
    for _ in range(5):
        fake.clock.advance(LEASE)
        await fake.dispatch(10)
