"""How many may wait and follow events at the same time, over HTTP, and that each gives its place back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from application.ports.unit_of_work import DatabaseUnavailable
from application.watch.read import ReadOperations
from application.watch.waiter_limit import WaitingRoom
from tests.support.http_access import Guarded
from tests.support.http_api import Api, problem, scope_of
from tests.support.sse import PATIENCE, Streamed
from tests.support.waiting import subscribed

PATHS = ["/v1/events", "/v1/operations/{id}/events", "/v1/operations/{id}?wait=55s"]


@asynccontextmanager
async def opened(api: Api, path: str, headers: dict[str, str]) -> AsyncIterator[tuple[Streamed, asyncio.Task[None]]]:
    """A wait or a stream that is under way, and its request's task."""
    client, (path, _, query) = Streamed(), path.partition("?")
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    task: asyncio.Task[None] = asyncio.create_task(
        api.app(scope_of("GET", path, query.encode(), raw), client.receive, client.send)
    )
    await subscribed(api.hub)
    try:
        yield client, task
    finally:
        client.release()
        client.gone.set()
        await asyncio.gather(task, return_exceptions=True)


async def until_empty(api: Api) -> None:
    """Until everybody has left."""
    async with asyncio.timeout(PATIENCE):
        while not api.room.empty:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def submitted(api: Guarded, key: dict[str, str]) -> str:
    """An operation's id."""
    answer = await api.ask("POST", "/v1/operations", key, json={"type": "deploy"})
    made: str = answer.json()["id"]
    return made


@pytest.mark.parametrize("under_way", PATHS)
@pytest.mark.parametrize("refused", PATHS)
async def test_one_too_many_of_a_credential(under_way: str, refused: str) -> None:
    """Waits and streams count together: 429 with Retry-After, for that credential and that kind of request alone."""
    api = Guarded(room=WaitingRoom(places=9, each=1))
    key, other = await api.key(), await api.key(name="other")
    made = await submitted(api, key)
    async with opened(api, under_way.format(id=made), key):
        answer = await api.ask("GET", refused.format(id=made), key)
        assert problem(answer, 429)["type"] == "urn:opledger:problem:too-many-waiting"
        assert answer.headers["retry-after"] == "5"
        assert (await api.ask("GET", f"/v1/operations/{made}", key)).status_code == 200
        assert (await api.ask("GET", f"/v1/operations/{made}?wait=0s", other)).status_code == 200
    await until_empty(api)
    assert (await api.ask("GET", f"/v1/operations/{made}?wait=0s", key)).status_code == 200


@pytest.mark.parametrize("refused", PATHS)
async def test_one_too_many_of_all(refused: str) -> None:
    """503 with Retry-After, also where nobody shows credentials; whatever does not wait is answered."""
    api = Api(room=WaitingRoom(places=1, each=1))
    made = await api.submit()
    async with opened(api, "/v1/events", {}):
        answer = await api.client.get(refused.format(id=made["id"]))
        assert problem(answer, 503)["type"] == "urn:opledger:problem:waiting-room-full"
        assert answer.headers["retry-after"] == "5"
        assert (await api.client.get(f"/v1/operations/{made['id']}")).status_code == 200
    await until_empty(api)


async def _leave(api: Api, made: str, client: Streamed, task: asyncio.Task[None]) -> None:
    client.gone.set()


async def _leave_unread(api: Api, made: str, client: Streamed, task: asyncio.Task[None]) -> None:
    client.hold()
    await api.start(made)
    await subscribed(api.hub, 0)
    client.gone.set()


async def _be_cancelled(api: Api, made: str, client: Streamed, task: asyncio.Task[None]) -> None:
    task.cancel()


async def _stop(api: Api, made: str, client: Streamed, task: asyncio.Task[None]) -> None:
    api.hub.close()


async def _fail(api: Api, made: str, client: Streamed, task: asyncio.Task[None]) -> None:
    for subscriptions in api.hub._subscriptions.values():
        for subscription in subscriptions:
            subscription._events.append("no event")  # type: ignore[arg-type]
            subscription._wake()


async def _be_done(api: Api, made: str, client: Streamed, task: asyncio.Task[None]) -> None:
    await api.complete(made, 1)
    await subscribed(api.hub, 0)
    client.gone.set()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("end", [_leave, _leave_unread, _be_cancelled, _stop, _fail, _be_done])
async def test_however_it_ends(
    path: str, end: Callable[[Api, str, Streamed, asyncio.Task[None]], Awaitable[None]]
) -> None:
    """The place is there again: after a client that left, read or not, a cancellation, a stop, an error, the end."""
    api = Api(room=WaitingRoom(places=1, each=1))
    made = (await api.submit())["id"]
    async with opened(api, path.format(id=made), {}) as (client, task):
        assert not api.room.empty
        await end(api, made, client, task)
        await until_empty(api)


@pytest.mark.parametrize("path", PATHS)
async def test_what_never_began_holds_nothing(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A HEAD, and what failed before there was anything to wait for."""

    async def away(*_: Any) -> Any:
        raise DatabaseUnavailable

    api = Api(room=WaitingRoom(places=1, each=1))
    made = (await api.submit())["id"]
    assert (await api.client.head(path.format(id=made).replace("55s", "0s"))).status_code == 200
    monkeypatch.setattr(ReadOperations, "get", away)
    monkeypatch.setattr(api.hub, "_start", away)
    await api.client.get(path.format(id=made))
    assert api.room.empty
