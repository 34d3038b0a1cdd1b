"""Streams and waits for many operations, through restarts of the ledger."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

import pytest

import opledger
from adapters.memory.engine.executions import StartFields
from entrypoints.http.server.slow_readers import HttpServerProtocol
from opledger._client.filters import MAX_VALUES
from tests.support.eventually import eventually
from tests.support.http.api import Api
from tests.support.http.clients import clients
from tests.support.http.served import served
from tests.support.ports import free_port


@pytest.fixture(params=["sync", "async"])
async def client(request: pytest.FixtureRequest, url: str) -> AsyncIterator[Any]:
    """Over a socket: httpx's transport for applications in the same process holds a stream back until its end."""
    made = clients(url, timeout=10.0)[request.param]
    yield made
    await made.close()


async def test_events_of_an_operation_end_with_it(client: Any, api: Api) -> None:
    """Each line of the history once, and the last state."""
    made = await client.submit("deploy")
    events = []
    async for event in client.events(made.id):
        events.append(event)
        if len(events) == 1:
            await api.complete(made.id, 7)
    assert events[0].operation.status == "ACCEPTED"
    assert [one.transition.to_status for one in events if one.transition] == ["RUNNING", "COMPLETED"]
    assert events[-1].operation.result == 7
    resumed = [event async for event in client.events(made.id, after=events[0].id)]
    assert [one.id for one in resumed][-1] == events[-1].id
    assert [event async for event in client.events(made.id, after=events[-1].id)] == []


async def test_refused_stream_is_an_error(client: Any) -> None:
    """It is not repeated."""
    with pytest.raises(opledger.OperationNotFound):
        [event async for event in client.events("01a227c6-ce62-76f9-a22f-0f60d8c49e00")]
    with pytest.raises(opledger.InvalidRequest, match="Last-Event-ID"):
        [event async for event in client.events(after="nonsense")]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_stream_resumes_through_restarts_without_a_gap_or_a_double(kind: str) -> None:
    """Every line of every history comes once, also of changes while the ledger was away."""
    api, port, restarts = Api(), free_port(), 3
    client = clients(f"http://127.0.0.1:{port}", timeout=60.0)[kind]
    seen: list[tuple[str, int]] = []
    made: list[str] = []

    async def follow() -> None:
        async with aclosing(client.events()) as events:
            async for event in events:
                if event.transition is not None:
                    seen.append((event.transition.operation_id, event.transition.sequence))
                if made and len([one for one in seen if one[0] in made]) == 3 * restarts:
                    return

    async def begun() -> bool:
        await api.submit()
        return bool(seen)

    following = asyncio.create_task(follow())
    async with served(Api(store=api.store).app, HttpServerProtocol, port):
        await eventually(begun)
    for _ in range(restarts):
        made.append((await api.submit())["id"])
        await api.start(made[-1])
        async with served(Api(store=api.store).app, HttpServerProtocol, port):
            await eventually(lambda: (made[-1], 2) in seen)
            await api.complete_started(made[-1], None)
            await eventually(lambda: (made[-1], 3) in seen)
    await asyncio.wait_for(following, 60)
    assert len(seen) == len(set(seen))
    assert {one for one in seen if one[0] in made} == {(one, sequence) for one in made for sequence in (1, 2, 3)}
    await client.close()


async def test_as_completed_takes_ids_in_any_form(client: Any, api: Api) -> None:
    """As all calls do."""
    made = (await client.submit("deploy")).id
    await api.complete(made, None)
    for given in (made.upper(), made.replace("-", ""), UUID(made)):
        assert [one.id async for one in client.as_completed([given], timeout=60)] == [made]


async def test_many_waits_share_one_stream(client: Any, api: Api) -> None:
    """Those that are done already are found, too, and each one comes once."""
    made = [(await client.submit("deploy", number)).id for number in range(40)]
    for one in made[:5]:
        await api.complete(one, None)
    api.answers.clear()
    ended = []
    async for operation in client.as_completed(made):
        ended.append(operation.id)
        if len(ended) == 5:
            for one in made[5:]:
                await api.complete(one, None)
    assert sorted(ended) == sorted(made)
    routes = [route for _, route, _, _ in api.answers]
    assert routes.count("/v1/operations") == len(made) / MAX_VALUES
    assert len(api.answers) <= len(made) / MAX_VALUES + 1


async def test_wait_finds_operations_under_other_workflow_ids(client: Any, api: Api) -> None:
    """Those are read one by one. A list has them under the id of the workflow."""
    api.world.start_from_outside("order-7", StartFields("Deploy", "queue", ()))
    adopted = (await client.adopt("deploy", "order-7")).operation.id
    named = (await client.submit("deploy")).id
    api.answers.clear()
    await api.complete(named, None)
    ended = []
    async for operation in client.as_completed([adopted, named]):
        ended.append(operation.id)
        if len(ended) == 1:
            await api.complete(adopted, None)
    assert ended == [named, adopted]
    assert [route for _, route, _, _ in api.answers].count("/v1/operations/{operation_id}") == 1


async def test_wait_for_many_ends_with_the_time(client: Any, api: Api) -> None:
    """And names those that are not done. Without ids it ends at once."""
    made = [(await client.submit("deploy")).id for _ in range(2)]
    await api.complete(made[0], None)
    waiting = client.as_completed(made, timeout=3.0)
    assert (await anext(waiting)).id == made[0]
    with pytest.raises(TimeoutError, match=made[1]):
        await anext(waiting)
    assert [one async for one in client.as_completed([])] == []
    with pytest.raises(opledger.OperationNotFound):
        [one async for one in client.as_completed(["01a227c6-ce62-76f9-a22f-0f60d8c49e00"])]


async def test_stream_gives_up_when_the_ledger_stays_away() -> None:
    """After the client's timeout."""
    for client in clients(f"http://127.0.0.1:{free_port()}", timeout=0.3).values():
        with pytest.raises(opledger.LedgerUnavailable):
            [event async for event in client.events()]
        await client.close()


async def test_positions_say_that_the_stream_has_begun(client: Any, api: Api) -> None:
    """The first event comes at once. Without `positions` the first one is a change."""
    events = client.events(positions=True)
    begun = await asyncio.wait_for(anext(events), 60)
    assert (begun.is_position, begun.operation, begun.transition) == (True, None, None)
    made = await client.submit("deploy")
    changed = await asyncio.wait_for(anext(events), 60)
    assert changed.transition.operation_id == made.id
    resumed = await asyncio.wait_for(anext(client.events(after=begun.id)), 60)
    assert resumed.transition.operation_id == made.id
