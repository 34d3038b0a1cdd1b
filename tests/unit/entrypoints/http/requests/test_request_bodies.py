"""Limits on the bodies that are still arriving, on a real socket: time, rate and number."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar, TypeVar
from uuid import UUID

import pytest

from domain.access.callback_token import TOKEN_HEADER
from entrypoints.http.requests.open_bodies import OPEN_BODIES, OpenBodies
from entrypoints.http.server import request_body
from entrypoints.http.server.slow_readers import ServedProtocol
from tests.support.http_access import Guarded
from tests.support.http_api import KEYS, Api, problem
from tests.support.raw_http import Connection, ask, head
from tests.support.served import served

ID = "019b76da-a800-7000-8000-000000000001"
JSON = ("Content-Type", "application/json")
CHUNKED = ("Transfer-Encoding", "chunked")
SIZED = ("Content-Length", "1000")
DEPLOY = b'{"type": "deploy"}'
ApiType = TypeVar("ApiType", bound=Api)
SLOW = "urn:opledger:problem:slow-body"


class Hurried(ServedProtocol):
    """Allows a body less time."""

    body_seconds: ClassVar = 0.3


class Patient(Hurried):
    """Allows a second for each byte."""

    body_rate: ClassVar = 1


class Limited(Patient):
    """Has a deadline all the same."""

    body_deadline: ClassVar = 0.6


@pytest.mark.parametrize(("framing", "piece"), [(SIZED, b" "), (CHUNKED, b"1\r\n \r\n")], ids=["sized", "chunked"])
async def test_slow_body_is_answered_408(framing: tuple[str, str], piece: bytes) -> None:
    """With the headers of every answer; then the connection is closed. Others are served meanwhile."""
    async with served(Api().app, Hurried) as port:
        connection = await Connection.open(port)
        await connection.send(head("POST", "/v1/operations", [framing, JSON, ("X-Request-Id", "one")]), piece)
        assert (await ask(port, head("GET", "/livez"))).status_code == 200
        answer = await connection.answer()
        assert problem(answer, 408)["type"] == SLOW
        assert (answer.headers["connection"], answer.headers["x-request-id"]) == ("close", "one")
        assert await connection.closed() == b""


@pytest.mark.parametrize("path", ["/v1/operations/batch", f"/v1/operations/{ID}/cancel", f"/v1/callbacks/{ID}"])
async def test_every_route_with_a_body(path: str) -> None:
    """Callbacks included."""
    token = KEYS.sign(UUID(ID), "default")
    async with served(Api().app, Hurried) as port:
        start = head("POST", path, [SIZED, JSON, (TOKEN_HEADER, token)])
        assert problem(await ask(port, start, b"{"), 408)["type"] == SLOW


async def test_steady_body_is_accepted() -> None:
    """Each byte that arrives buys time: the body takes twice the time that one without progress has."""
    async with served(Api().app, Patient) as port:
        connection = await Connection.open(port)
        start = head("POST", "/v1/operations", [("Content-Length", str(len(DEPLOY) + 6)), JSON])
        await connection.send(start)
        for piece in [*[b" "] * 6, DEPLOY]:
            await connection.send(piece)
            await asyncio.sleep(0.1)
        assert (await connection.answer()).status_code == 202
        connection.close()


async def test_steady_body_has_a_deadline() -> None:
    """However much arrives meanwhile."""
    async with served(Api().app, Limited) as port:
        connection = await Connection.open(port)
        await connection.send(head("POST", "/v1/operations", [SIZED, JSON]), b" " * 500)
        assert problem(await connection.answer(), 408)["type"] == SLOW
        connection.close()


async def test_body_of_a_request_that_waits_for_an_earlier_answer_has_its_time_afterwards() -> None:
    """A pipelined body is not read before."""
    api = Api()
    made = await api.submit()
    async with served(api.app, Hurried) as port:
        connection = await Connection.open(port)
        start = head("POST", "/v1/operations", [("Content-Length", str(len(DEPLOY))), JSON])
        await connection.send(head("GET", f"/v1/operations/{made['id']}?wait=1s") + start + DEPLOY[:5])
        assert (await connection.answer()).status_code == 200
        await connection.send(DEPLOY[5:])
        assert (await connection.answer()).status_code == 202
        connection.close()


@pytest.mark.parametrize("framing", [SIZED, CHUNKED], ids=["sized", "chunked"])
async def test_body_that_nobody_reads_ends_a_wait(framing: tuple[str, str]) -> None:
    """It holds no place longer than any body."""
    api = Api()
    made = await api.submit()
    async with served(api.app, Hurried) as port:
        connection = await Connection.open(port)
        await connection.send(head("GET", f"/v1/operations/{made['id']}?wait=50s", [framing]))
        await connection.closed()
    assert api.room.empty


async def test_body_that_nobody_reads_ends_a_stream() -> None:
    """The same."""
    api = Api()
    made = await api.submit()
    async with served(api.app, Hurried) as port:
        connection = await Connection.open(port)
        await connection.send(head("GET", f"/v1/operations/{made['id']}/events", [SIZED]))
        assert b"event: operation" in await connection.closed()
    assert api.room.empty


async def test_rest_of_a_small_refused_body_does_not_keep_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer does not wait for it, and the connection is closed when it does not come."""
    monkeypatch.setattr("entrypoints.http.server.body_limits.LINGER_SECONDS", 0.2)
    async with served(Guarded().app, ServedProtocol) as port:
        connection = await Connection.open(port)
        await connection.send(head("POST", "/v1/operations", [SIZED, JSON]), b"{")
        problem(await connection.answer(), 401)
        assert await connection.closed() == b""


async def test_rest_of_a_small_refused_body_that_comes_keeps_the_connection() -> None:
    """It is read in passing."""
    async with served(Guarded().app, ServedProtocol) as port:
        connection = await Connection.open(port)
        await connection.send(head("POST", "/v1/operations", [SIZED, JSON]), b"{")
        problem(await connection.answer(), 401)
        await connection.send(b" " * 999, head("GET", "/livez"))
        assert (await connection.answer()).status_code == 200
        connection.close()


async def test_refused_bodies_of_one_peer_do_not_linger_without_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is answered; beyond the limit the connection is closed at once."""
    monkeypatch.setattr(request_body, "MAX_LINGERING", 3)
    monkeypatch.setattr(request_body, "LINGER_SECONDS", 1000.0)
    async with served(Guarded().app, ServedProtocol) as port:
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
    """The application with room for so many bodies of one client."""
    api.app.state[OPEN_BODIES] = OpenBodies(limit)
    return api


@asynccontextmanager
async def arriving(port: int, count: int, *headers: tuple[str, str]) -> AsyncIterator[list[Connection]]:
    """So many bodies whose rest does not come."""
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
    """429 for one more; another credential of the same tenant is served; a place is free when a client leaves."""
    api = limited(Guarded(), 3)
    one, other = await api.key("a"), await api.key("a", name="other")
    async with served(api.app, ServedProtocol) as port:
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
    """Nobody has a credential there."""
    async with served(limited(Api(), 3).app, ServedProtocol) as port, arriving(port, 3):
        assert problem(await ask(port, head("POST", "/v1/operations/batch", [SIZED, JSON])), 429)


async def test_many_complete_bodies_are_not_limited() -> None:
    """Only those count that are still arriving."""
    async with served(limited(Api(), 1).app, ServedProtocol) as port:
        request = head("POST", "/v1/operations", [JSON, ("Content-Length", str(len(DEPLOY)))]) + DEPLOY
        answers = await asyncio.gather(*(ask(port, request) for _ in range(20)))
    assert [answer.status_code for answer in answers] == [202] * 20
