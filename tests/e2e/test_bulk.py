"""Bulk actions of `opledger up`, whose worker is killed while they run."""

import asyncio
from collections import Counter
from uuid import UUID

import asyncpg

from application.bulk.perform import CHUNK
from entrypoints.local.embedded.data_folder import DataFolder
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from tests.support.eventually import eventually
from tests.support.stack.commands import Stack
from tests.support.stack.ledger import Ledger, Shown

JOBS = 120
"""More than are recorded together."""
LOCKED = 7
"""One of the targets of the first transaction."""
DONE = {"matching": JOBS, "done": JOBS, "skipped": 0, "failed": 0}


async def submitted(ledger: Ledger, burst: str) -> set[str]:
    """New operations that start tomorrow."""
    one = {"type": "elsewhere", "labels": {"bulk": burst}, "delay": "1d"}
    answer = await ledger.http.post("/v1/operations/batch", json={"operations": [one] * JOBS})
    assert answer.status_code == 200, answer.text
    return {item["operation"]["id"] for item in answer.json()["items"]}


async def confirmed(ledger: Ledger, verb: str, burst: str) -> str:
    """A bulk action on the operations of a burst."""
    body = {"filter": {"label": {"bulk": burst}, "type": "elsewhere"}}
    found = await ledger.http.post(f"/v1/operations:{verb}", json={**body, "dry_run": True})
    assert found.json()["matching"] == JOBS, found.text
    answer = await ledger.http.post(f"/v1/operations:{verb}", json={**body, "confirm": found.json()["confirm"]})
    assert answer.status_code == 202, answer.text
    operation_id: str = answer.json()["id"]
    return operation_id


async def targets(ledger: Ledger, operation_id: str) -> list[Shown]:
    """What it did."""
    found: list[Shown] = []
    query: dict[str, str] = {"page_size": "200"}
    while True:
        page = (await ledger.http.get(f"/v1/operations/{operation_id}/targets", params=query)).json()
        found += page["items"]
        if page["next_page_token"] is None:
            return found
        query["page_token"] = page["next_page_token"]


async def pending(ledger: Ledger, operation_id: str) -> set[str]:
    """The targets that are not handled."""
    found = await targets(ledger, operation_id)
    return {target["operation_id"] for target in found if target["outcome"] == "PENDING"}


async def killed_in_mid_flight(stack: Stack, ledger: Ledger, verb: str, ids: set[str]) -> list[Shown]:
    """Kills the worker while it handles targets. Returns them once the bulk action is completed.

    Until then another transaction has the lock of one target of the first chunk. So the worker waits for the lock, and
    has not begun with the targets of later chunks.
    """
    locked = sorted(ids)[LOCKED]
    connection = await asyncpg.connect(EmbeddedPostgres(DataFolder(stack.data)).url_for("opledger", "postgresql"))
    try:
        async with connection.transaction():
            await connection.fetchval("SELECT id FROM opledger.operations WHERE id = $1 FOR UPDATE", UUID(locked))
            action = await confirmed(ledger, verb, verb)

            async def begun() -> bool:
                return len(await pending(ledger, action)) < JOBS

            await eventually(begun)
            killed = stack.kill("worker")
            left = await pending(ledger, action)
            assert locked in left
            assert JOBS - CHUNK < len(left) < JOBS
    finally:
        await connection.close()
    await stack.until_back("worker", killed)
    [shown] = await ledger.until_done(action)
    assert (shown["status"], shown["result"]) == ("COMPLETED", DONE)
    handled = await targets(ledger, action)
    assert Counter(target["outcome"] for target in handled) == {"DONE": JOBS}
    return handled


async def test_each_target_is_cancelled_once(stack: Stack, ledger: Ledger) -> None:
    """P10: with one cancellation request in its history."""
    ids = await submitted(ledger, "cancel")
    targets = await killed_in_mid_flight(stack, ledger, "cancel", ids)
    assert {target["operation_id"] for target in targets} == ids
    await ledger.until_done(*ids)
    for operation_id in sorted(ids)[::10]:
        lines = await ledger.history(operation_id)
        assert sum(line["reason"].startswith("cancellation requested") for line in lines) == 1


async def test_each_target_is_retried_once(stack: Stack, ledger: Ledger) -> None:
    """P10: there is one new operation for each, and no other."""
    ids = await submitted(ledger, "retry")
    await asyncio.gather(*map(ledger.cancel, ids))
    targets = await killed_in_mid_flight(stack, ledger, "retry", ids)
    new = {target["new_operation_id"] for target in targets}
    assert len(new) == JOBS
    assert {shown["id"] for shown in await ledger.labelled(bulk="retry")} == ids | new
    for operation_id in new:
        await ledger.cancel(operation_id, force=True)


async def test_each_target_is_deleted(stack: Stack, ledger: Ledger) -> None:
    """P10: once. Open operations with the same label stay."""
    ids, others = await submitted(ledger, "delete"), await submitted(ledger, "delete")
    await asyncio.gather(*map(ledger.cancel, ids))
    targets = await killed_in_mid_flight(stack, ledger, "delete", ids)
    assert {target["operation_id"] for target in targets} == ids
    assert {shown["id"] for shown in await ledger.labelled(bulk="delete")} == others
    await asyncio.gather(*map(ledger.cancel, others))
