"""Retries on the real servers."""

import asyncio

import pytest
from temporalio.client import Client

from application.submit.retry import Retry
from domain.errors import OperationAlreadyRetried, OperationNotDone, OperationNotFound
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


async def test_an_open_operation_is_not_retried(temporal_client: Client, database_url: str) -> None:
    """Neither before its start nor while it runs. Nothing is stored, and its workflow goes on."""
    async with real_ledger(temporal_client, database_url) as ledger:
        retry = ledger.api.retry()
        waiting, running = await ledger.submit("nobody"), await ledger.submit("Waits-team")
        async with ledger.working():
            await ledger.until(running, lambda row: row.status is OperationStatus.RUNNING)
            for operation_id in (waiting, running):
                with pytest.raises(OperationNotDone):
                    await retry.retry(TENANT, operation_id, Retry(), actor=None, trace={})
            assert {row.id for row in await ledger.rows()} == {waiting, running}
            for operation_id in (waiting, running):
                await ledger.cancel(operation_id)
        assert (await ledger.row(running)).retried_by is None


async def test_a_retry_is_retried_after_its_first_was_deleted(temporal_client: Client, database_url: str) -> None:
    """It still names the deleted operation, which cannot be retried any more."""
    async with real_ledger(temporal_client, database_url) as ledger, ledger.working():
        retry = ledger.api.retry()
        first = await ledger.submit("Echo-team", {"n": 1})
        await ledger.done(first)
        second = (await retry.retry(TENANT, first, Retry(), actor=None, trace={})).operation.id
        await ledger.done(second)
        await ledger.api.delete().delete(TENANT, first)
        with pytest.raises(OperationNotFound):
            await retry.retry(TENANT, first, Retry(), actor=None, trace={})
        third = (await retry.retry(TENANT, second, Retry(), actor=None, trace={})).operation.id
        row = await ledger.done(third)
        assert (row.status, row.result, row.retry_of) == (OperationStatus.COMPLETED, {"n": 1}, second)
        between = await ledger.row(second)
        assert (between.retry_of, between.retried_by) == (first, third)
        assert {row.id for row in await ledger.rows()} == {second, third}
