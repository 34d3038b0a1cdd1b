"""Tracked workflows on the real server, and what becomes of the row in the real database: hazards 7 to 14."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from temporalio.client import Client

from domain.operation.operation import MISSING
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from tests.support.eventually import eventually
from tests.support.ledger.real import RealLedger, real_ledger
from tests.support.operations import stated
from tests.support.postgres.server import own_database

RUNNING, COMPLETED, FAILED = OperationStatus.RUNNING, OperationStatus.COMPLETED, OperationStatus.FAILED
WHOLE_LIFE = ["ACCEPTED", "RUNNING", "COMPLETED"]


@pytest.fixture(scope="module")
async def ledger(temporal_client: Client, postgres_server: EmbeddedPostgres) -> AsyncIterator[RealLedger]:
    """A ledger with both workers, dispatch and follow-up; nothing is reconciled but by the test."""
    async with (
        own_database(postgres_server, "ledger_tracking") as url,
        real_ledger(temporal_client, url) as ledger,
        ledger.working(),
    ):
        yield ledger


@pytest.fixture(params=["ledger", "team"])
def place(request: pytest.FixtureRequest) -> str:
    """Whose worker runs the workflow: reports are local activities in the ledger's, ordinary ones elsewhere."""
    value: str = request.param
    return value


async def failure(ledger: RealLedger, operation_id: UUID) -> tuple[ErrorCode, str]:
    """How it failed."""
    row = await ledger.done(operation_id)
    assert row.error is not None
    return row.error.code, row.error.message


VALUES: list[Any] = [None, {}, [], "", 0, False, 0.0, {"a": None}, [None, 1], "text", 7, True, {"deep": [{"er": {}}]}]


async def test_every_input_and_result_is_kept_exactly(ledger: RealLedger, place: str) -> None:
    """Hazards 7 and 12: whatever JSON goes in comes out in the row, falsy and no object or not."""
    ids = [await ledger.submit(f"Echo-{place}", value) for value in VALUES]
    rows = [await ledger.done(operation_id) for operation_id in ids]
    assert [(row.status, row.input, row.result) for row in rows] == [(COMPLETED, value, value) for value in VALUES]
    assert [type(row.result) for row in rows] == [type(value) for value in VALUES]
    for operation_id in ids:
        assert await ledger.path(operation_id) == WHOLE_LIFE


async def test_no_input_is_no_argument(ledger: RealLedger, place: str) -> None:
    """Hazards 7 and 14: a run method without an argument is started without one, and is tracked."""
    row = await ledger.done(await ledger.submit(f"NoArgument-{place}", MISSING))
    assert (row.status, row.input, row.result) == (COMPLETED, MISSING, None)


async def test_dataclasses_in_and_out(ledger: RealLedger, place: str) -> None:
    """Hazard 14: a typed argument and a typed result, as JSON in the row."""
    row = await ledger.done(await ledger.submit(f"Typed-{place}", {"item": "disk", "count": 2}))
    assert row.result == {"order": {"item": "disk", "count": 2}, "total": 3.0}


@pytest.mark.parametrize("workflow", ["Sleeper", "InActivity"])
async def test_cancellation_is_canceled(ledger: RealLedger, workflow: str, place: str) -> None:
    """Hazard 9: during a timer and during an activity: FAILED/CANCELED with the reason, no ordinary failure."""
    operation_id = await ledger.running(f"{workflow}-{place}")
    if workflow == "InActivity":

        async def at_work() -> bool:
            return bool((await ledger.handle(operation_id).describe()).raw_description.pending_activities)

        await eventually(at_work)
    await ledger.cancel(operation_id)
    assert await failure(ledger, operation_id) == (ErrorCode.CANCELED, "no need")
    assert await ledger.path(operation_id) == ["ACCEPTED", "RUNNING", "FAILED"]
    lines = await ledger.history(operation_id)
    assert [line.actor for line in lines if line.source is Source.CLIENT] == [None, "alice"]


async def test_cancellation_from_outside_is_canceled_too(ledger: RealLedger, place: str) -> None:
    """Hazard 9: a cancellation past the ledger: the workflow's report brings it to the row."""
    operation_id = await ledger.running(f"Sleeper-{place}")
    await ledger.handle(operation_id).cancel(reason="not ours")
    assert await failure(ledger, operation_id) == (ErrorCode.CANCELED, "not ours")


async def test_continue_as_new_is_one_operation(ledger: RealLedger, place: str) -> None:
    """Hazards 10 and 19: three times as new: one COMPLETED, by the last run, and no FAILED on the way."""
    operation_id = await ledger.submit(f"Chain-{place}", 3)
    row = await ledger.done(operation_id)
    assert (row.status, row.result) == (COMPLETED, "the last run")
    assert await ledger.path(operation_id) == WHOLE_LIFE


async def test_retried_workflow_goes_never_back(ledger: RealLedger, place: str) -> None:
    """Hazard 11: attempt 1 fails, attempt 2 succeeds: never FAILED on the way, and no error is left."""
    operation_id = await ledger.submit(f"SecondTimeLucky-{place}")
    row = await ledger.done(operation_id)
    assert (row.status, row.result, row.error, row.reported) == (COMPLETED, 2, None, None)
    assert await ledger.path(operation_id) == WHOLE_LIFE
    assert "attempt 1" not in str(await ledger.history(operation_id))


async def test_error_is_the_root_cause(ledger: RealLedger, place: str) -> None:
    """Hazard 13: the row says what was wrong, not that an activity failed."""
    operation_id = await ledger.submit(f"FailsInActivity-{place}")
    assert await failure(ledger, operation_id) == (ErrorCode.WORKFLOW_FAILED, "disk 7 is full")
    row = await ledger.row(operation_id)
    assert row.error is not None
    assert row.error.details["type"] == "ConnectionError"


async def test_progress_is_on_the_row(ledger: RealLedger, place: str) -> None:
    """What a workflow says of its progress shows while it runs."""
    operation_id = await ledger.running(f"Waits-{place}")
    row = await ledger.until(operation_id, lambda row: row.progress is not None)
    assert stated(row.progress) == (0.5, "half way")
    await ledger.handle(operation_id).signal("finish", {"n": 1})
    row = await ledger.reconciled(operation_id)
    assert (row.result, stated(row.progress)) == ({"n": 1}, (1.0, "half way"))
