"""API and worker through pgbouncer in transaction mode, with two connections to PostgreSQL for both of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from entrypoints.local.embedded.postgres import EmbeddedPostgres
from tests.e2e.conftest import RECONCILIATION
from tests.support.eventually import eventually
from tests.support.postgres.pgbouncer import PgBouncer
from tests.support.stack.apart import Apart, running_apart
from tests.support.stack.ledger import Ledger, Shown, each_ran_once

pytestmark = pytest.mark.tools

LONG = 600
"""Seconds that no test waits for."""


@pytest.fixture(scope="module")
async def poolers() -> list[PgBouncer]:
    """The one that runs, once it runs."""
    return []


@pytest.fixture(scope="module")
async def apart(place: Path, operations_file: Path, poolers: list[PgBouncer]) -> AsyncIterator[Apart]:
    """With access by API key, and Temporal running."""

    @asynccontextmanager
    async def pooled(postgres: EmbeddedPostgres) -> AsyncIterator[Mapping[str, str]]:
        async with PgBouncer(postgres.folder, size=2) as pooler:
            poolers.append(pooler)
            yield {"DATABASE_URL": pooler.url_for("opledger"), "OPLEDGER_DATABASE_DIRECT_URL": postgres.url}

    variables = {**RECONCILIATION, "OPLEDGER_ACCESS": "keys", "OPLEDGER_RATE_LIMIT": "100000"}
    async with running_apart(place / "pooled", operations_file, pooled, **variables) as apart:
        await apart.temporal.start()
        await apart.ledger.until_ready()
        yield apart


@pytest.fixture(scope="module")
async def ledger(apart: Apart) -> Ledger:
    """With a key of its own."""
    made = await apart.command("keys", "create", "--name", "pooled", "--scope", "admin")
    apart.ledger.http.headers["Authorization"] = f"Bearer {made.strip()}"
    return apart.ledger


async def followed(ledger: Ledger, operation_id: str) -> list[Shown]:
    """The operation's stream, to its end."""
    async with ledger.http.stream("GET", f"/v1/operations/{operation_id}/events", timeout=60) as answer:
        assert answer.status_code == 200
        lines = [line async for line in answer.aiter_lines()]
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


async def waited_for(ledger: Ledger, operation_id: str) -> Shown:
    answer = await ledger.http.get(
        f"/v1/operations/{operation_id}", params={"wait": "50s", "until": "done"}, timeout=60
    )
    assert answer.status_code == 200, answer.text
    shown: Shown = answer.json()
    return shown


async def test_everything_that_clients_do(apart: Apart, ledger: Ledger) -> None:
    """Twenty clients at the same time submit, wait, follow, cancel, list and delete; `doctor` finds nothing wrong."""

    async def one(number: int) -> str:
        cancelled = number % 5 == 0
        operation_id = await ledger.submit(seconds=LONG if cancelled else 0.5, labels={"run": "pooled"})
        following = asyncio.create_task(followed(ledger, operation_id))
        if cancelled:
            await ledger.until_running(operation_id)
            await ledger.cancel(operation_id, reason="not needed")
        done = await waited_for(ledger, operation_id)
        assert done["status"] == ("FAILED" if cancelled else "COMPLETED"), done
        assert await ledger.path(operation_id) == ["ACCEPTED", "RUNNING", done["status"]]
        assert [event for event in await following if operation_id in json.dumps(event)]
        return operation_id

    ids = await asyncio.gather(*(one(number) for number in range(20)))
    assert {shown["id"] for shown in await ledger.labelled(run="pooled")} == set(ids)
    await each_ran_once(await apart.client(), ids)
    deleted = await ledger.http.delete(f"/v1/operations/{ids[1]}")
    assert deleted.status_code == 204, deleted.text
    assert (await ledger.http.get(f"/v1/operations/{ids[1]}")).status_code == 404
    assert "bad" not in await apart.command("doctor")
    assert "pooled" in await apart.command("keys", "list")


async def test_operations_survive_a_restart_of_the_pooler(
    apart: Apart, ledger: Ledger, poolers: list[PgBouncer]
) -> None:
    """Operations that were accepted before come to their end after it; no client is left with an error."""
    before = [await ledger.submit(seconds=1) for _ in range(4)]
    [pooler] = poolers
    await pooler.stop()

    async def refused() -> bool:
        return (await ledger.http.get(f"/v1/operations/{before[0]}")).status_code == 503

    await eventually(refused, "503 without the pooler")
    await pooler.start()
    await ledger.until_ready()
    after = [await ledger.submit() for _ in range(4)]
    done = await ledger.until_done(*before, *after)
    assert [shown["status"] for shown in done] == ["COMPLETED"] * 8
    await each_ran_once(await apart.client(), [*before, *after])


async def test_both_processes_stop_gracefully(apart: Apart) -> None:
    """Both processes end in order."""
    await apart.close()
