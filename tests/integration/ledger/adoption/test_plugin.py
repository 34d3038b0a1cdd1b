"""The plugin with keys that the ledger refuses: the real API, PostgreSQL and Temporal."""

import logging
from uuid import uuid4

import pytest
from sqlalchemy import text
from temporalio import workflow
from temporalio.worker import Worker

from domain.access.scope import Scope
from opledger import operation_id, report_progress
from tests.integration.ledger.adoption.place import Place
from tests.support.eventually import eventually


@workflow.defn(sandboxed=False)  # the module imports what the sandbox refuses
class Copies:
    """A team's workflow."""

    @workflow.run
    async def run(self, rows: int) -> int:
        """Reports progress."""
        await report_progress(0.5, "half")
        await workflow.sleep(0.05)
        return rows


async def run(place: Place, key: str, times: int = 2) -> None:
    """Client and worker of a team with the plugin run the workflow."""
    client, queue = place.with_plugin(key), f"team-{uuid4()}"
    async with Worker(client, task_queue=queue, workflows=[Copies]):
        for rows in range(times):
            handle = await client.start_workflow(Copies.run, rows, id=f"copies-{uuid4()}", task_queue=queue)
            assert await handle.result() == rows
            assert operation_id(handle) is not None
            history = [event async for event in handle.fetch_history_events()]
            assert not any(event.HasField("workflow_task_failed_event_attributes") for event in history)


def refusals(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the SDK has logged of refused keys. On a busy machine it may log a local activity's time-out too."""
    sdk = (record for record in caplog.records if record.name.startswith(("opledger", "temporalio.workflow")))
    lines = [record.getMessage() for record in sdk if record.levelno >= logging.WARNING]
    return [line for line in lines if "the plugin's API key" in line]


@pytest.mark.parametrize(("scopes", "status"), [(None, 401), ([Scope.READ], 403)])
async def test_refused_key_leaves_workflows_alone(
    place: Place, caplog: pytest.LogCaptureFixture, scopes: list[Scope] | None, status: int
) -> None:
    """P7: neither a key that the ledger does not know, nor one without the scopes. One log line, without the key."""
    known = await place.key(Scope.READ)
    key = f"{known[:-1]}{'A' if known[-1] != 'A' else 'B'}" if scopes is None else await place.key(*scopes)
    with caplog.at_level(logging.INFO):
        await run(place, key)
    [line] = refusals(caplog)
    assert f"refuses the plugin's API key ({status}" in line
    assert key not in caplog.text
    assert await place.rows() == 0


async def test_key_without_the_scope_report_records_starts_alone(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """The row is there, and Temporal tells the rest. One log line for all reports."""
    with caplog.at_level(logging.INFO):
        await run(place, key := await place.key(Scope.SUBMIT))
    [line] = refusals(caplog)
    assert "refuses the plugin's API key (403" in line
    assert key not in caplog.text
    assert await place.rows() == 2


async def test_key_with_both_scopes_tracks_workflows(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """The same place takes the right key."""
    await run(place, await place.key(Scope.SUBMIT, Scope.REPORT), 1)

    async def reported() -> bool:
        async with place.postgres.connect() as connection:
            statuses = (await connection.execute(text("SELECT status FROM opledger.operations"))).scalars().all()
        return [*statuses] in (["RUNNING"], ["COMPLETED"])  # the report of the start makes the ledger ask Temporal

    await eventually(reported)
    assert refusals(caplog) == []
