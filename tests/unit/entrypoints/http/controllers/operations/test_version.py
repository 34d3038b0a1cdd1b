"""The version changes with what clients see: entity tags, conditions and streams."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from application.ports.storage.change_feed import Event, Position
from application.watch.stream import Cursor, StreamEvents
from domain.operation.follow_up import dispatched
from domain.operation.lifecycle import note
from domain.operation.operation import Change, Operation
from domain.operation.transition import Transition
from tests.support.http.api import Api
from tests.support.http.sse import streaming
from tests.support.operations import cause


async def dispatch(api: Api) -> None:
    """Starts an operation as the ledger does, and adds a line that only the history has."""
    now = api.clock.now()
    async with api.store.units() as unit:
        for operation in await unit.operations.claim_due_dispatches(now, timedelta(seconds=30), 10):
            saved = await unit.operations.save(dispatched(operation, follow_up_at=now, now=now))
            await unit.operations.save(note(saved, cause(1)))
        await unit.commit()


async def test_a_dispatch_changes_neither_version_nor_etag() -> None:
    """The version in the response of the submission stays valid for If-Match."""
    api = Api()
    made = await api.submit()
    api.clock.advance(timedelta(seconds=1))
    await dispatch(api)
    path = f"/v1/operations/{made['id']}"
    read = await api.client.get(path)
    assert read.json() == made
    assert (await api.client.get(path, headers={"If-None-Match": '"1"'})).status_code == 304
    cancelled = await api.client.post(f"{path}/cancel", headers={"If-Match": '"1"'})
    assert cancelled.status_code == 202
    assert cancelled.json()["version"] == 2
    assert (await api.client.post(f"{path}/cancel", headers={"If-Match": '"1"'})).status_code == 412


async def test_a_stream_sends_each_state_once() -> None:
    """ACCEPTED once, however often the ledger changes the row internally. History lines are sent as they are
    written."""
    api = Api()
    made = await api.submit()
    async with streaming(api, f"/v1/operations/{made['id']}/events") as stream:
        first = await stream.event()
        await dispatch(api)
        await api.complete(made["id"], None)
        rest = await stream.rest()
    shown = [event.data["status"] for event in [first, *rest] if event.kind == "operation"]
    assert shown[0] == "ACCEPTED"
    assert shown.count("ACCEPTED") == 1
    versions = [event.data["version"] for event in [first, *rest] if event.kind == "operation"]
    assert versions == sorted(set(versions))
    lines = [event.data["sequence"] for event in rest if event.kind == "transition"]
    assert lines == [2, 3, 4]


async def test_history_lines_are_sent_in_order() -> None:
    """Of two concurrent transactions on an operation the feed may have the later line first, without a new version."""
    api = Api()
    made = await api.submit()
    operation_id = UUID(made["id"])
    for seconds in (1, 2):
        async with api.store.units() as unit:
            operation = await unit.operations.get(operation_id)
            assert operation is not None
            await unit.operations.save(noted(operation, seconds))
            await unit.commit()
    lines = await api.store.queries("default").transitions(operation_id)
    stream = api.services.ledger.stream
    first = await steps(stream, event(operation_id, lines[2]), Cursor(1, 1))
    assert first == [(1, 2), (1, 3)]
    assert await steps(stream, event(operation_id, lines[1]), Cursor(1, 3)) == []


def noted(operation: Operation, seconds: float) -> Change:
    """Adds a history line."""
    return note(operation, cause(seconds))


def event(operation_id: UUID, line: Transition) -> Event:
    """Returns the line as the feed has it."""
    return Event(Position(5, operation_id, line.sequence), "default", line)


async def steps(stream: StreamEvents, told: Event, seen: Cursor) -> list[Any]:
    """Returns how far each step leads."""
    return [(step.cursor.version, step.cursor.lines) for step in await stream._items(told, seen)]
