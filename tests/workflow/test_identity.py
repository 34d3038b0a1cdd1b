"""A chain stays the same operation, whatever arguments its runs pass to `continue_as_new`."""

from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import WorkflowHandle

from opledger import MEMO, OutcomeReports, UpdateKind
from tests.workflow.conftest import Starter
from tests.workflow.ledger import RecordingLedger
from tests.workflow.replay.replaying import replay
from tests.workflow.reporting import OTHER, Drops, DropsInHandler

HOW = ["attributes", "no attributes", "attributes of the old kind", "memo", "removed", "both"]


async def rule(handle: WorkflowHandle[Any, Any]) -> str:
    """The rule in the memo of the latest run."""
    found: str = (await (await handle.describe()).memo_value(MEMO))["report_outcome"]
    return found


@pytest.mark.parametrize("how", HOW)
async def test_later_runs_are_the_same_operation(start: Starter, ledger: RecordingLedger, queue: str, how: str) -> None:
    """Every run reports, and the last run reports its outcome. It has the search attribute and its other arguments."""
    handle = await start(Drops.run, how, 2, queue=queue)
    result = await handle.result()
    assert result == {"uuid": handle.id, "own": 0 if how in ("memo", "both") else None}
    assert ledger.ends(handle.id) == [UpdateKind.COMPLETED]
    latest = start.client.get_workflow_handle(handle.id)
    assert await rule(latest) == OutcomeReports.WHEN_SAFE
    kept = (await latest.describe()).typed_search_attributes.get(OTHER)
    assert kept == ("x" if how in ("attributes", "attributes of the old kind", "both") else None)


@pytest.mark.parametrize("how", HOW)
async def test_later_runs_keep_the_rule(start: Starter, ledger: RecordingLedger, how: str) -> None:
    """With a callback, no run of the chain waits for an outcome report."""
    handle = await start(Drops.run, how, 2, rule=OutcomeReports.NEVER)
    await handle.result()
    assert await rule(start.client.get_workflow_handle(handle.id)) == OutcomeReports.NEVER
    assert ledger.ends(handle.id) == []


@pytest.mark.parametrize("how", ["memo", "both", "attributes"])
async def test_later_runs_with_an_unreadable_memo_do_not_report_their_outcome(
    start: Starter, ledger: RecordingLedger, how: str
) -> None:
    """Their own memo must not make them look like starts by an earlier version, which always reported the outcome."""
    handle = await start(Drops.run, how, 2, memo={MEMO: {"report_outcome": "by pigeon"}})
    await handle.result()
    assert ledger.ends(handle.id) == []


async def test_continue_as_new_in_a_handler_keeps_the_identity(
    start: Starter, ledger: RecordingLedger, queue: str
) -> None:
    """It is not called by the run method, which the decorator wraps."""
    handle = await start(DropsInHandler.run, 1, queue=queue)
    await handle.signal(DropsInHandler.go_on)
    assert await handle.result() == 0
    latest = start.client.get_workflow_handle(handle.id)
    description = await latest.describe()
    assert description.search_attributes["OperationUUID"] == [handle.id]
    assert await rule(latest) == OutcomeReports.WHEN_SAFE
    await replay(await latest.fetch_history(), [DropsInHandler])


async def test_run_of_an_earlier_version_keeps_the_identity_too(start: Starter, ledger: RecordingLedger) -> None:
    """It has no memo, and its later runs have none either."""
    handle = await start(Drops.run, "attributes", 1, rule=None)
    assert (await handle.result())["uuid"] == handle.id
    assert ledger.ends(handle.id) == [UpdateKind.COMPLETED]
    latest = await start.client.get_workflow_handle(handle.id).describe()
    assert MEMO not in await latest.memo()


async def test_workflow_of_another_client_is_not_changed(start: Starter, ledger: RecordingLedger) -> None:
    """It is not an operation."""
    handle = await start(Drops.run, "both", 1, id=f"order-{uuid4()}", search_attributes=None, rule=None)
    assert await handle.result() == {"uuid": None, "own": 0}
    assert ledger.received(handle.id) == []
