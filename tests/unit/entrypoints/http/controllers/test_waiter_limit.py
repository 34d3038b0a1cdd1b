"""Limits on waits and streams over HTTP, and that each one is released."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from application.ports.storage.unit_of_work import DatabaseUnavailable
from application.watch.read import ReadOperations
from application.watch.waiter_limit import WaiterLimit
from tests.support.http.access import Guarded
from tests.support.http.api import Api, problem, scope_of
from tests.support.http.sse import TIMEOUT, Streamed
from tests.support.waiting import subscribed

PATHS = ["/v1/events", "/v1/operations/{id}/events", "/v1/operations/{id}?wait=55s"]


@asynccontextmanager
async def opened(api: Api, path: str, headers: dict[str, str]) -> AsyncIterator[tuple[Streamed, asyncio.Task[None]]]:
    """Opens a wait or a stream. Yields its client and the task of its request."""
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
    """Waits until no waiter is left."""
    async with asyncio.timeout(TIMEOUT):
        while not api.waiters.empty:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def submitted(api: Guarded, key: dict[str, str]) -> str:
    """Submits an operation. Returns its id."""
    answer = await api.ask("POST", "/v1/operations", key, json={"type": "deploy"})
    made: str = answer.json()["id"]
    return made


@pytest.mark.parametrize("under_way", PATHS)
@pytest.mark.parametrize("refused", PATHS)
async def test_one_waiter_too_many_of_a_credential_is_429(under_way: str, refused: str) -> None:
    """With Retry-After. Waits and streams count together; other requests and other credentials are served."""
    api = Guarded(waiters=WaiterLimit(9, each=1))
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
async def test_one_waiter_too_many_in_total_is_503(refused: str) -> None:
    """With Retry-After, also without access control. Requests that do not wait are served."""
    api = Api(waiters=WaiterLimit(1, each=1))
    made = await api.submit()
    async with opened(api, "/v1/events", {}):
        answer = await api.client.get(refused.format(id=made["id"]))
        assert problem(answer, 503)["type"] == "urn:opledger:problem:waiter-limit-reached"
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
async def test_every_end_releases_the_waiter(
    path: str, end: Callable[[Api, str, Streamed, asyncio.Task[None]], Awaitable[None]]
) -> None:
    """A disconnect before or after the response is read, a cancellation, a shutdown, an error, the end."""
    api = Api(waiters=WaiterLimit(1, each=1))
    made = (await api.submit())["id"]
    async with opened(api, path.format(id=made), {}) as (client, task):
        assert not api.waiters.empty
        await end(api, made, client, task)
        await until_empty(api)


@pytest.mark.parametrize("path", PATHS)
async def test_a_request_that_never_waits_is_not_counted(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A HEAD, and a request that fails before its wait."""

    async def away(*_: Any) -> Any:
        raise DatabaseUnavailable

    api = Api(waiters=WaiterLimit(1, each=1))
    made = (await api.submit())["id"]
    assert (await api.client.head(path.format(id=made).replace("55s", "0s"))).status_code == 200
    monkeypatch.setattr(ReadOperations, "get", away)
    monkeypatch.setattr(api.hub, "_start", away)
    await api.client.get(path.format(id=made))
    assert api.waiters.empty
