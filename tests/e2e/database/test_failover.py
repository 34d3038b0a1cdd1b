"""API and worker on a primary and its standby: the primary is killed, the standby promoted."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from entrypoints.local.embedded.data_folder import opened
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from tests.e2e.conftest import RECONCILIATION
from tests.support.eventually import eventually
from tests.support.postgres.replication import Standby, kill, url_of_both
from tests.support.stack.apart import Apart, running_apart
from tests.support.stack.ledger import each_ran_once


@pytest.fixture(scope="module")
async def standbys() -> list[Standby]:
    """The one that runs, once it runs."""
    return []


@pytest.fixture(scope="module")
async def apart(place: Path, operations_file: Path, standbys: list[Standby]) -> AsyncIterator[Apart]:
    """Commits wait for the standby, so that it has whatever was accepted."""

    @asynccontextmanager
    async def replicated(primary: EmbeddedPostgres) -> AsyncIterator[Mapping[str, str]]:
        with opened(place / "standby") as folder:
            standby = Standby(folder, primary)
            try:
                await standby.follow()
                standbys.append(standby)
                yield {"DATABASE_URL": url_of_both(primary, standby)}
            finally:
                await standby.stop()

    async with running_apart(place / "replicated", operations_file, replicated, **RECONCILIATION) as apart:
        await apart.temporal.start()
        await apart.ledger.until_ready()
        yield apart


async def test_standby_takes_over(apart: Apart, standbys: list[Standby]) -> None:
    """Clients submit throughout, and repeat under the same key what was not accepted. Every accepted operation is there
    afterwards, has run once and has its outcome; waits end; the processes were not restarted."""
    [standby], ledger = standbys, apart.ledger
    running = [await ledger.submit(seconds=10, labels={"run": "failover"}) for _ in range(3)]
    waiting = asyncio.create_task(ledger.until_done(*running))
    promoted = asyncio.Event()

    async def submit(number: int) -> str:
        body = {"type": "deploy", "input": {"machine": "m1", "seconds": 0, "outcome": "success"}}
        body |= {"labels": {"run": "failover"}}
        operation_id, _ = await ledger.submit_surely(f"failover-{number}", body)
        return operation_id

    async def submit_throughout() -> list[str]:
        ids: list[str] = []
        while not promoted.is_set() or len(ids) < 5:
            ids.append(await submit(len(ids)))
            await asyncio.sleep(0.2)  # hundreds would take the test a minute to wait for
        return [*ids, await submit(len(ids))]

    submitting = asyncio.create_task(submit_throughout())
    await ledger.until_running(*running)
    await kill(apart.postgres)

    async def noticed() -> bool:
        return (await ledger.readiness())[0] == 503

    await eventually(noticed, "readyz to be 503")
    await standby.promote()
    promoted.set()
    submitted = await submitting
    await ledger.until_ready()
    done = [*await waiting, *await ledger.until_done(*submitted)]
    assert [shown["status"] for shown in done] == ["COMPLETED"] * len(done)
    assert {shown["id"] for shown in await ledger.labelled(run="failover")} == {*running, *submitted}
    for shown in done:
        await ledger.history(shown["id"])
    await each_ran_once(await apart.client(), [*running, *submitted])
    answer = await ledger.http.get(f"/v1/operations/{await ledger.submit()}", params={"wait": "50s", "until": "done"})
    assert answer.json()["status"] == "COMPLETED"
    assert "bad" not in await apart.command("doctor")


async def test_both_processes_stop_gracefully(apart: Apart) -> None:
    """Both processes end in order."""
    await apart.close()
