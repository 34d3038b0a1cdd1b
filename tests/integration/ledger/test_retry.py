"""Retries on the real servers."""

import asyncio

import pytest
from temporalio.client import Client

from application.submit.retry import Retry
from domain.errors import OperationAlreadyRetried
from domain.operation.status import OperationStatus
from tests.support.ledger.real import TENANT, real_ledger


async def test_a_failed_operation_is_retried_to_its_end(temporal_client: Client, database_url: str) -> None:
    """Twenty concurrent requests make one operation, whose workflow gets the changed input."""
    async with real_ledger(temporal_client, database_url) as ledger:
        first = await ledger.submit("Echo-team", {"n": 1})
        await ledger.api.cancel().cancel(TENANT, first, reason=None, force=False)
        retry = ledger.api.retry()
        requests = (retry.retry(TENANT, first, Retry({"n": 2}), actor=None, trace={}) for _ in range(20))
        answers = await asyncio.gather(*requests)
        [second] = {answer.operation.id for answer in answers}
        assert sum(not answer.replayed for answer in answers) == 1
        with pytest.raises(OperationAlreadyRetried):
            await retry.retry(TENANT, first, Retry(), actor=None, trace={})
        async with ledger.working():
            row = await ledger.done(second)
        assert (row.status, row.result, row.retry_of) == (OperationStatus.COMPLETED, {"n": 2}, first)
        former = await ledger.row(first)
        assert (former.status, former.retried_by) == (OperationStatus.FAILED, second)
        assert await ledger.path(first) == ["ACCEPTED", "FAILED"]
