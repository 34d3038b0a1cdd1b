"""A chain stays the operation that it is, whatever its runs give to continue_as_new."""

from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import WorkflowHandle

from opledger import MEMO, OutcomeReports, UpdateKind
from tests.workflow.conftest import Starter
from tests.workflow.ledger import RecordingLedger
from tests.workflow.replaying import replay
from tests.workflow.reporting import OTHER, Drops, DropsInHandler

HOW = ["attributes", "no attributes", "attributes of the old kind", "memo", "removed", "both"]


async def rule(handle: WorkflowHandle[Any, Any]) -> str:
    """What the memo of the latest run says."""
    found: str = (await (await handle.describe()).memo_value(MEMO))["report_outcome"]
    return found


@pytest.mark.parametrize("how", HOW)
async def test_further_runs_are_the_same_operation(
    start: Starter, ledger: RecordingLedger, queue: str, how: str
) -> None:
    """Every run reports, the last one its outcome; it has the search attribute, and what it was given besides."""
    handle = await start(Drops.run, how, 2, queue=queue)
    result = await handle.result()
    assert result == {"uuid": handle.id, "own": 0 if how in ("memo", "both") else None}
    assert ledger.ends(handle.id) == [UpdateKind.COMPLETED]
    latest = start.client.get_workflow_handle(handle.id)
    assert await rule(latest) == OutcomeReports.WHEN_SAFE
    kept = (await latest.describe()).typed_search_attributes.get(OTHER)
    assert kept == ("x" if how in ("attributes", "attributes of the old kind", "both") else None)


@pytest.mark.parametrize("how", HOW)
async def test_further_runs_keep_the_rule(start: Starter, ledger: RecordingLedger, how: str) -> None:
    """Where Temporal calls back, no run of the chain waits for a report of its outcome."""
    handle = await start(Drops.run, how, 2, rule=OutcomeReports.NEVER)
    await handle.result()
    assert await rule(start.client.get_workflow_handle(handle.id)) == OutcomeReports.NEVER
    assert ledger.ends(handle.id) == []


@pytest.mark.parametrize("how", ["memo", "both", "attributes"])
async def test_further_runs_of_an_unreadable_memo_do_not_wait(
    start: Starter, ledger: RecordingLedger, how: str
) -> None:
    """A memo of their own must not make them look like starts of an earlier version, which reported every outcome."""
    handle = await start(Drops.run, how, 2, memo={MEMO: {"report_outcome": "by pigeon"}})
    await handle.result()
    assert ledger.ends(handle.id) == []


async def test_continue_as_new_in_a_handler_keeps_the_identity(
    start: Starter, ledger: RecordingLedger, queue: str
) -> None:
    """It does not pass through the run method, which the decorator wraps."""
    handle = await start(DropsInHandler.run, 1, queue=queue)
    await handle.signal(DropsInHandler.go_on)
    assert await handle.result() == 0
    latest = start.client.get_workflow_handle(handle.id)
    description = await latest.describe()
    assert description.search_attributes["OperationUUID"] == [handle.id]
    assert await rule(latest) == OutcomeReports.WHEN_SAFE
    await replay(await latest.fetch_history(), [DropsInHandler])


async def test_run_of_an_earlier_version_keeps_the_identity_too(start: Starter, ledger: RecordingLedger) -> None:
    """It has no memo to keep, and its further runs have none."""
    handle = await start(Drops.run, "attributes", 1, rule=None)
    assert (await handle.result())["uuid"] == handle.id
    assert ledger.ends(handle.id) == [UpdateKind.COMPLETED]
    latest = await start.client.get_workflow_handle(handle.id).describe()
    assert MEMO not in await latest.memo()


async def test_workflow_of_another_client_keeps_what_it_gives(start: Starter, ledger: RecordingLedger) -> None:
    """What is no operation is left alone."""
    handle = await start(Drops.run, "both", 1, id=f"order-{uuid4()}", search_attributes=None, rule=None)
    assert await handle.result() == {"uuid": None, "own": 0}
    assert ledger.received(handle.id) == []
