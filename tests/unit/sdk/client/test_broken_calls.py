"""Calls and waits through answers that break, on the real application on memory adapters, over a socket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from entrypoints.http.server.slow_readers import HttpServerProtocol
from opledger import Submission
from tests.support.eventually import eventually
from tests.support.http.api import Api
from tests.support.http.breaking import BREAKS, BreakingProxy, breaking
from tests.support.http.clients import clients
from tests.support.http.served import served
from tests.support.ports import free_port


@pytest.fixture(params=BREAKS)
async def proxy(request: pytest.FixtureRequest, api: Api) -> AsyncIterator[BreakingProxy]:
    """It breaks the first answer to each request, in each of the ways."""
    async with AsyncExitStack() as open_places:
        port = await open_places.enter_async_context(served(api.app, HttpServerProtocol))
        yield await open_places.enter_async_context(breaking(port, request.param))


@pytest.fixture(params=["sync", "async"])
async def client(request: pytest.FixtureRequest, proxy: BreakingProxy) -> AsyncIterator[Any]:
    """A client of each kind."""
    made = clients(proxy.url, timeout=20.0)[request.param]
    yield made
    await made.close()


async def submitted(api: Api, number: int) -> list[str]:
    return [(await api.submit(input=one))["id"] for one in range(number)]


async def test_submission_makes_one_operation(client: Any, api: Api, proxy: BreakingProxy) -> None:
    """The repeat gets the operation of the first request, if that arrived."""
    made = await client.submit("deploy", 7)
    listed = (await api.client.get("/v1/operations")).json()["items"]
    assert [(one["id"], one["input"]) for one in listed] == [(made.id, 7)]
    assert proxy.requests == ["POST /v1/operations HTTP/1.1"] * 2


async def test_batch_makes_each_operation_once(client: Any, api: Api, proxy: BreakingProxy) -> None:
    """In order."""
    results = await client.batch([Submission("deploy", number) for number in range(3)])
    listed = (await api.client.get("/v1/operations?order=accepted_at")).json()["items"]
    assert [one["id"] for one in listed] == [result.operation.id for result in results]
    assert [one["input"] for one in listed] == [0, 1, 2]
    assert len(proxy.requests) == 2


async def test_list_has_each_operation_once(client: Any, api: Api, proxy: BreakingProxy) -> None:
    """Also where the second page breaks."""
    made = await submitted(api, 5)
    assert [one.id async for one in client.list(page_size=2, order="accepted_at")] == made
    assert [len(proxy.requests), len(set(proxy.requests))] == [6, 3]


async def test_wait_ends_with_the_operation(client: Any, api: Api, proxy: BreakingProxy) -> None:
    """It is open when the first answer breaks, or done."""
    [made] = await submitted(api, 1)
    waiting = asyncio.create_task(client.wait(made))
    await eventually(lambda: proxy.requests)
    await api.complete(made, 7)
    assert (await asyncio.wait_for(waiting, 60)).result == 7
    assert len(proxy.requests) > 1


async def test_as_completed_has_each_operation_once(client: Any, api: Api, proxy: BreakingProxy) -> None:
    """The stream breaks after each change. Some are done before, and are read in two requests."""
    made = await submitted(api, 23)
    for one in made[:15]:
        await api.complete(one, None)
    left, ended = made[15:], []
    async for operation in client.as_completed(made, timeout=60):
        ended.append(operation.id)
        if len(ended) >= 15 and left:
            await api.complete(left.pop(), None)
    assert sorted(ended) == sorted(made)
    streams = [one for one in proxy.requests if "/events" in one]
    assert len(streams) > 3


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_as_completed_goes_on_through_restarts(kind: str, api: Api) -> None:
    """Each operation comes once, also one that is done while the ledger is away."""
    made, ended, port = await submitted(api, 9), list[str](), free_port()
    client = clients(f"http://127.0.0.1:{port}", timeout=60.0)[kind]

    async def follow() -> None:
        async for operation in client.as_completed(made):
            ended.append(operation.id)

    following = asyncio.create_task(follow())
    for before, within, after in zip(made[:3], made[3:6], made[6:], strict=True):
        await api.complete(before, None)
        async with served(Api(store=api.store).app, HttpServerProtocol, port):
            await eventually(lambda: before in ended)  # noqa: B023 -- called in this turn
            await api.complete(within, None)
            await eventually(lambda: within in ended)  # noqa: B023
        await api.complete(after, None)
    async with served(Api(store=api.store).app, HttpServerProtocol, port):
        await asyncio.wait_for(following, 60)
    assert sorted(ended) == sorted(made)
    await client.close()
