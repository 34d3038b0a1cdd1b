"""Limits on arriving bodies, on a real socket: time, rate and number."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import pytest

from domain.access.callback_token import TOKEN_HEADER
from entrypoints.http.problems.problems import TooManyOpenBodies
from entrypoints.http.requests.open_bodies import OPEN_BODIES, OpenBodies
from entrypoints.http.server import request_body
from entrypoints.http.server.slow_readers import HttpServerProtocol
from tests.support.http.access import Guarded
from tests.support.http.api import KEYS, Api, problem
from tests.support.http.raw import Connection, ask, head
from tests.support.http.served import served

ID = "019b76da-a800-7000-8000-000000000001"
JSON = ("Content-Type", "application/json")
CHUNKED = ("Transfer-Encoding", "chunked")
SIZED = ("Content-Length", "1000")
DEPLOY = b'{"type": "deploy"}'
ApiType = TypeVar("ApiType", bound=Api)
SLOW = "urn:opledger:problem:slow-body"


class Hurried(HttpServerProtocol):
    """Allows a body little time."""

    body_seconds: ClassVar = 0.3


class Brisk(HttpServerProtocol):
    """Allows a body less time than the waits of the tests take."""

    body_seconds: ClassVar = 1.0


class Patient(Brisk):
    """Allows a second for each byte."""

    body_rate: ClassVar = 1


class Limited(Hurried):
    """Allows a second for each byte, with a deadline."""

    body_rate: ClassVar = 1
    body_deadline: ClassVar = 0.6


@pytest.mark.parametrize(("framing", "piece"), [(SIZED, b" "), (CHUNKED, b"1\r\n \r\n")], ids=["sized", "chunked"])
async def test_a_slow_body_is_408(framing: tuple[str, str], piece: bytes) -> None:
    """With the headers of every response; then the connection is closed. Other requests are served meanwhile."""
    async with served(Api().app, Hurried) as port:
        connection = await Connection.open(port)
        await connection.send(head("POST", "/v1/operations", [framing, JSON, ("X-Request-Id", "one")]), piece)
        assert (await ask(port, head("GET", "/livez"))).status_code == 200
        answer = await connection.answer()
        assert problem(answer, 408)["type"] == SLOW
        assert (answer.headers["connection"], answer.headers["x-request-id"]) == ("close", "one")
        assert await connection.closed() == b""


@pytest.mark.parametrize("path", ["/v1/operations/batch", f"/v1/operations/{ID}/cancel", f"/v1/callbacks/{ID}"])
async def test_every_route_limits_the_time_of_a_body(path: str) -> None:
    """Callbacks included."""
    token = KEYS.sign(UUID(ID), "default")
    async with served(Api().app, Hurried) as port:
        start = head("POST", path, [SIZED, JSON, (TOKEN_HEADER, token)])
        assert problem(await ask(port, start, b"{"), 408)["type"] == SLOW


async def test_a_steady_body_is_accepted() -> None:
    """Each byte extends the time: the body takes twice as long as one without progress may."""
    async with served(Api().app, Patient) as port:
        connection = await Connection.open(port)
        start = head("POST", "/v1/operations", [("Content-Length", str(len(DEPLOY) + 10)), JSON])
        await connection.send(start)
        for piece in [*[b" "] * 10, DEPLOY]:
            await connection.send(piece)
            await asyncio.sleep(0.2)
        assert (await connection.answer()).status_code == 202
        connection.close()


async def test_a_steady_body_has_a_deadline() -> None:
    """However many bytes arrive."""
    async with served(Api().app, Limited) as port:
        connection = await Connection.open(port)
        await connection.send(head("POST", "/v1/operations", [SIZED, JSON]), b" " * 500)
        assert problem(await connection.answer(), 408)["type"] == SLOW
        connection.close()


async def test_the_time_of_a_pipelined_body_starts_after_the_earlier_response() -> None:
    """It is not read before."""
    api = Api()
    made = await api.submit()
    async with served(api.app, Brisk) as port:
        connection = await Connection.open(port)
        start = head("POST", "/v1/operations", [("Content-Length", str(len(DEPLOY))), JSON])
        await connection.send(head("GET", f"/v1/operations/{made['id']}?wait=2s") + start + DEPLOY[:5])
        assert (await connection.answer()).status_code == 200
        await connection.send(DEPLOY[5:])
        assert (await connection.answer()).status_code == 202
        connection.close()


@pytest.mark.parametrize("framing", [SIZED, CHUNKED], ids=["sized", "chunked"])
async def test_an_unread_slow_body_ends_a_wait(framing: tuple[str, str]) -> None:
    """The wait counts as a waiter no longer than any body may take."""
    api = Api()
    made = await api.submit()
    async with served(api.app, Hurried) as port:
        connection = await Connection.open(port)
        await connection.send(head("GET", f"/v1/operations/{made['id']}?wait=50s", [framing]))
        await connection.closed()
    assert api.waiters.empty


async def test_an_unread_slow_body_ends_a_stream() -> None:
    """As a wait."""
    api = Api()
    made = await api.submit()
    async with served(api.app, Hurried) as port:
        connection = await Connection.open(port)
        await connection.send(head("GET", f"/v1/operations/{made['id']}/events", [SIZED]))
        assert b"event: operation" in await connection.closed()
    assert api.waiters.empty


async def test_a_missing_rest_of_a_refused_body_closes_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The response does not wait for it."""
    monkeypatch.setattr("entrypoints.http.server.body_limits.LINGER_SECONDS", 0.2)
    async with served(Guarded().app, HttpServerProtocol) as port:
        connection = await Connection.open(port)
        await connection.send(head("POST", "/v1/operations", [SIZED, JSON]), b"{")
        problem(await connection.answer(), 401)
        assert await connection.closed() == b""


async def test_an_arriving_rest_of_a_refused_body_keeps_the_connection() -> None:
    """It is discarded."""
    async with served(Guarded().app, HttpServerProtocol) as port:
        connection = await Connection.open(port)
        await connection.send(head("POST", "/v1/operations", [SIZED, JSON]), b"{")
        problem(await connection.answer(), 401)
        await connection.send(b" " * 999, head("GET", "/livez"))
        assert (await connection.answer()).status_code == 200
        connection.close()


async def test_lingering_refused_bodies_of_a_peer_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is answered. Beyond the limit the connection is closed at once."""
    monkeypatch.setattr(request_body, "MAX_LINGERING", 3)
    monkeypatch.setattr(request_body, "LINGER_SECONDS", 1000.0)
    async with served(Guarded().app, HttpServerProtocol) as port:
        connections = [await Connection.open(port) for _ in range(4)]
        for connection in connections:
            await connection.send(head("POST", "/v1/operations", [CHUNKED, JSON]))
        ends = [asyncio.create_task(connection.closed()) for connection in connections]
        done, lingering = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        assert [b" 401 " in end.result() for end in done] == [True]
        assert len(lingering) == 3
        for connection in connections:
            connection.close()
        await asyncio.gather(*lingering, return_exceptions=True)


def limited(api: ApiType, limit: int) -> ApiType:
    """Returns the application with that limit of arriving bodies per client."""
    api.app.state[OPEN_BODIES] = OpenBodies(limit)
    return api


@asynccontextmanager
async def arriving(port: int, count: int, *headers: tuple[str, str]) -> AsyncIterator[list[Connection]]:
    """Sends that many bodies whose rest does not arrive."""
    connections = [await Connection.open(port) for _ in range(count)]
    try:
        for connection in connections:
            await connection.send(head("POST", "/v1/operations", [SIZED, JSON, ("Expect", "100-continue"), *headers]))
        for connection in connections:
            assert (await connection.answer()).status_code == 100
        yield connections
    finally:
        for connection in connections:
            connection.close()


async def test_bodies_are_limited_by_credential() -> None:
    """429 for one more. Another credential of the tenant is served; a disconnect frees a place."""
    api = limited(Guarded(), 3)
    one, other = await api.key("a"), await api.key("a", name="other")
    async with served(api.app, HttpServerProtocol) as port:
        whole = [JSON, ("Content-Length", str(len(DEPLOY)))]
        async with arriving(port, 3, *one.items()):
            refused = await ask(port, head("POST", "/v1/operations", [SIZED, JSON, *one.items()]))
            assert problem(refused, 429)["type"] == "urn:opledger:problem:too-many-open-bodies"
            assert refused.headers["retry-after"] == "1"
            assert (
                await ask(port, head("POST", "/v1/operations", [*whole, *other.items()]) + DEPLOY)
            ).status_code == 202
            assert (await ask(port, head("GET", "/v1/operations", one.items()))).status_code == 200
        while api.app.state[OPEN_BODIES].open:  # noqa: ASYNC110 -- the server sees the end in its own time
            await asyncio.sleep(0.01)
        assert (await ask(port, head("POST", "/v1/operations", [*whole, *one.items()]) + DEPLOY)).status_code == 202


async def test_bodies_are_limited_by_peer_without_access_control() -> None:
    """There are no credentials."""
    async with served(limited(Api(), 3).app, HttpServerProtocol) as port, arriving(port, 3):
        assert problem(await ask(port, head("POST", "/v1/operations/batch", [SIZED, JSON])), 429)


async def test_many_complete_bodies_are_not_limited() -> None:
    """Only arriving bodies count."""
    async with served(limited(Api(), 1).app, HttpServerProtocol) as port:
        request = head("POST", "/v1/operations", [JSON, ("Content-Length", str(len(DEPLOY)))]) + DEPLOY
        answers = await asyncio.gather(*(ask(port, request) for _ in range(20)))
    assert [answer.status_code for answer in answers] == [202] * 20


def test_limits_of_a_process_are_those_that_the_page_names() -> None:
    """The other tests shorten them."""
    page = (Path(__file__).parents[5] / "docs/http.md").read_text()
    [time] = re.findall(r"\| time of a body \| (\d+) s plus 1 s for each ([\d,]+) bytes, at most (\d+) min \|", page)
    [number] = re.findall(r"\| bodies that arrive at the same time \| (\d+) for each credential \|", page)
    assert time == ("20", "1,000", "5")
    assert (HttpServerProtocol.body_seconds, HttpServerProtocol.body_rate) == (20, 1_000)
    assert HttpServerProtocol.body_deadline == 300
    open_bodies = OpenBodies()
    scope: Any = {"path": "/v1/operations", "user": None}
    assert number == "100"
    with ExitStack() as held:
        for _ in range(100):
            held.enter_context(open_bodies.counted(scope))
        with pytest.raises(TooManyOpenBodies), open_bodies.counted(scope):
            pass
    assert Api().app.state[OPEN_BODIES].open == open_bodies.open == 0
