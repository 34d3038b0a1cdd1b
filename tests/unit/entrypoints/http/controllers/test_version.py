"""What a client can see decides about versions: entity tags, conditions and streams."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from application.ports.change_feed import Event, Position
from application.watch.stream import Cursor, StreamEvents
from domain.operation.follow_up import dispatched
from domain.operation.lifecycle import note
from domain.operation.operation import Change, Operation
from domain.operation.transition import Transition
from tests.support.http_api import Api
from tests.support.operations import cause
from tests.support.sse import streaming


async def dispatch(api: Api) -> None:
    """All that the ledger does to start an operation, and a note that the history alone has."""
    now = api.clock.now()
    async with api.store.units() as unit:
        for operation in await unit.operations.claim_due_dispatches(now, timedelta(seconds=30), 10):
            saved = await unit.operations.save(dispatched(operation, follow_up_at=now, now=now))
            await unit.operations.save(note(saved, cause(1)))
        await unit.commit()


async def test_a_dispatch_leaves_version_and_entity_tag() -> None:
    """The answer of the submission is still the answer of a read, so that its version is good for If-Match."""
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


async def test_a_stream_shows_each_state_once() -> None:
    """ACCEPTED once, however often the ledger has worked on it; the lines of the history come as they are written."""
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


async def test_a_line_that_overtakes_another_comes_after_it() -> None:
    """Of two transactions at one operation, the feed can have the later line first, and no new version with it."""
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
    """A line more."""
    return note(operation, cause(seconds))


def event(operation_id: UUID, line: Transition) -> Event:
    """The line, as the feed has it."""
    return Event(Position(5, operation_id, line.sequence), "default", line)


async def steps(stream: StreamEvents, told: Event, seen: Cursor) -> list[Any]:
    """How far each step leads."""
    return [(step.cursor.version, step.cursor.lines) for step in await stream._items(told, seen)]
