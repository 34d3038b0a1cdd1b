"""Cancellation of parents and children on the real servers."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from temporalio.client import Client

from application.submit.submission import Submission
from domain.errors import InvalidInput
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from tests.support.ledger.real import TENANT, RealLedger, real_ledger

LOOPS = ("dispatch", "follow-up", "start watch", "close poll", "children")


@pytest.fixture
async def ledger(temporal_client: Client, database_url: str) -> AsyncIterator[RealLedger]:
    """A ledger with both workers and all loops."""
    async with real_ledger(temporal_client, database_url) as ledger, ledger.working(loops=LOOPS):
        yield ledger


async def running(ledger: RealLedger, parent: UUID | None = None) -> UUID:
    """An operation whose workflow waits."""
    submitted = await ledger.api.submit().submit(Submission(TENANT, "Waits-team", parent_id=parent))
    operation_id: UUID = submitted.operation.id
    await ledger.until(operation_id, lambda row: row.status is OperationStatus.RUNNING)
    return operation_id


@pytest.mark.parametrize(("force", "code"), [(False, ErrorCode.CANCELED), (True, ErrorCode.TERMINATED)])
async def test_children_end_with_their_parent(ledger: RealLedger, force: bool, code: ErrorCode) -> None:
    """In their workflows, and grandchildren too. Others run on."""
    parent, other = await running(ledger), await running(ledger)
    children = [await running(ledger, parent) for _ in range(3)]
    grandchild = await running(ledger, children[0])
    await ledger.api.cancel().cancel(TENANT, parent, reason="no need", force=force, actor="alice")
    for operation_id in (parent, *children, grandchild):
        row = await ledger.done(operation_id)
        assert row.error is not None
        assert row.error.code is code
        await ledger.closed(operation_id)
    assert (await ledger.row(other)).status is OperationStatus.RUNNING
    request = (await ledger.row(children[1])).cancel_request
    assert request is not None
    assert (request.by, request.reason) == (
        "alice",
        f"parent operation {parent} was {'terminated' if force else 'cancelled'}: no need",
    )
    await ledger.handle(other).terminate()


async def test_parent_of_another_tenant_is_refused(ledger: RealLedger) -> None:
    """P8: the same answer as for a missing one."""
    parent = await running(ledger)
    with pytest.raises(InvalidInput, match=f"there is no operation {parent}"):
        await ledger.api.submit().submit(Submission("another", "Waits-team", parent_id=parent))
    await ledger.handle(parent).terminate()
