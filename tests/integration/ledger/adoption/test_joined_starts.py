"""Starts by the plugin that join a running execution: the real API, PostgreSQL and Temporal."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker

from application.adopt.receive_start_report import JOINED
from domain.access.scope import Scope
from opledger import OPERATION_UUID, adopted_operation_id, operation_id
from opledger._plugin import handles
from tests.integration.ledger.adoption.place import Place
from tests.support.eventually import eventually

USE_EXISTING = WorkflowIDConflictPolicy.USE_EXISTING
SCOPES = (Scope.SUBMIT, Scope.REPORT, Scope.READ)


@workflow.defn(sandboxed=False)  # the module imports what the sandbox refuses
class Cart:
    """A team's workflow of long ago: it knows nothing of a ledger."""

    def __init__(self) -> None:
        self.items: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        """Ends with `pay`."""
        await workflow.wait_condition(lambda: "pay" in self.items)
        return self.items

    @workflow.signal
    def put(self, item: str) -> None:
        """Adds an item."""
        self.items.append(item)

    @workflow.update
    def add(self, item: str) -> int:
        """Adds an item, and returns the number of items."""
        self.items.append(item)
        return len(self.items)


@dataclass(frozen=True)
class Team:
    """A worker without the plugin, and clients with it."""

    place: Place
    key: str
    client: Client
    queue: str

    async def untracked(self) -> WorkflowHandle[Any, Any]:
        """An execution that a client without the plugin has started."""
        return await self.place.client.start_workflow(Cart.run, id=f"cart-{uuid4()}", task_queue=self.queue)

    async def join(self, way: str, workflow_id: str, item: str, client: Client | None = None) -> list[str | None]:
        """A start that joins the execution. Returns the operations of the handles that it gives."""
        client = client or self.client
        options: dict[str, Any] = {"id": workflow_id, "task_queue": self.queue}
        if way == "signal-with-start":
            return [
                operation_id(
                    await client.start_workflow(Cart.run, start_signal="put", start_signal_args=[item], **options)
                )
            ]
        if way == "use existing":
            handle = await client.start_workflow(Cart.run, id_conflict_policy=USE_EXISTING, **options)
            await handle.signal(Cart.put, item)
            return [operation_id(handle)]
        start = WithStartWorkflowOperation(Cart.run, id_conflict_policy=USE_EXISTING, **options)
        await client.execute_update_with_start_workflow(Cart.add, item, start_workflow_operation=start)
        return [operation_id(await start.workflow_handle())]

    async def operations(self, workflow_id: str, key: str | None = None) -> list[dict[str, Any]]:
        """The operations of the workflow id."""
        return await self.place.operations(key or self.key, workflow_id)


@pytest.fixture
async def team(place: Place) -> AsyncIterator[Team]:
    """Its key has the scopes of the plugin, and may read."""
    key, queue = await place.key(*SCOPES), f"carts-{uuid4()}"
    async with Worker(place.client, task_queue=queue, workflows=[Cart]):
        yield Team(place, key, place.with_plugin(key), queue)


def chain_id(handle: WorkflowHandle[Any, Any]) -> str:
    """The operation's id that an adoption of the execution gives."""
    return adopted_operation_id("default", handle.id, handle.first_execution_run_id or "")


WAYS = pytest.mark.parametrize("way", ["signal-with-start", "update-with-start", "use existing"])


@WAYS
async def test_untracked_execution_becomes_an_operation_once(team: Team, way: str) -> None:
    """The first start leaves a failed row that names it, the next ones none. Handles have its id, and the execution
    gets every signal and update."""
    running = await team.untracked()
    for item in ("bolt", "nut", "pay"):
        assert await team.join(way, running.id, item) == [chain_id(running)]
    assert await running.result() == ["bolt", "nut", "pay"]
    operations = {each["id"]: each for each in await team.operations(running.id)}
    adopted = operations.pop(chain_id(running))
    assert (adopted["type"], adopted["execution"]["origin"]) == ("Cart", "ADOPTED")
    [recorded] = operations.values()
    assert (recorded["status"], recorded["execution"]["origin"]) == ("FAILED", "CLIENT")
    assert recorded["error"] == {
        "code": "START_REJECTED",
        "message": JOINED,
        "details": {"operation_id": adopted["id"]},
    }
    assert (await running.describe()).typed_search_attributes.get(OPERATION_UUID) is None


@WAYS
async def test_adopted_execution_is_joined_without_a_row(team: Team, way: str) -> None:
    """The record names the open operation, and its chain."""
    running = await team.untracked()
    await team.join("use existing", running.id, "bolt")
    before = await team.operations(running.id)
    for item in ("nut", "washer"):
        assert await team.join(way, running.id, item) == [chain_id(running)]
    assert {each["id"] for each in await team.operations(running.id)} == {each["id"] for each in before}
    await running.signal(Cart.put, "pay")
    assert await running.result() == ["bolt", "nut", "washer", "pay"]


@WAYS
async def test_execution_that_the_plugin_started_is_joined_without_a_row(team: Team, way: str) -> None:
    """Its operation is the one that was recorded for its start."""
    workflow_id = f"cart-{uuid4()}"
    [operation] = await team.join(way, workflow_id, "bolt")
    assert await team.join(way, workflow_id, "pay") == [operation]
    [row] = await team.operations(workflow_id)
    assert (row["id"], row["execution"]["origin"]) == (operation, "CLIENT")


@WAYS
async def test_starts_at_the_same_time_join_one_operation(team: Team, way: str) -> None:
    """Two clients, which know nothing of each other."""
    running = await team.untracked()
    other = team.place.with_plugin(team.key)
    await asyncio.gather(team.join(way, running.id, "bolt"), team.join(way, running.id, "nut", other))
    assert await team.join(way, running.id, "pay") == [chain_id(running)]

    async def settled() -> bool:
        rows = {each["id"]: each for each in await team.operations(running.id)}
        adopted = rows.pop(chain_id(running), None)
        return adopted is not None and {each["status"] for each in rows.values()} == {"FAILED"}

    await eventually(settled)
    await running.result()


@WAYS
async def test_operation_of_another_tenant_is_not_named(team: Team, way: str) -> None:
    """P8: its key has tracked the execution. The start goes on, and leaves no row."""
    running = await team.untracked()
    key = await team.place.key(*SCOPES, tenant="acme")
    assert await team.join(way, running.id, "bolt", team.place.with_plugin(key)) == [chain_id(running)]
    handles._by_run.clear()  # both clients are in one process, which knows the run
    assert await team.join(way, running.id, "pay") == [None]
    assert await team.operations(running.id) == []
    assert await running.result() == ["bolt", "pay"]
    assert len(await team.operations(running.id, key)) == 2


async def test_start_after_a_lost_report_gets_the_operation(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is killed before its report. Its row is open, and is not the execution's."""
    running = await team.untracked()

    async def killed(*_: object) -> None:
        return None

    monkeypatch.setattr("opledger._plugin.start_recorder.StartRecorder.report_started", killed)
    assert await team.join("signal-with-start", running.id, "bolt") == [None]
    monkeypatch.undo()
    assert [each["status"] for each in await team.operations(running.id)] == ["ACCEPTED"]
    assert await team.join("signal-with-start", running.id, "pay") == [chain_id(running)]
    await running.result()
