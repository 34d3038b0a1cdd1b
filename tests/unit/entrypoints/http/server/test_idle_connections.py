"""Connections without a request, on a real socket."""

from typing import ClassVar

from entrypoints.http.server.slow_readers import HttpServerProtocol
from tests.support.http.api import Api
from tests.support.http.raw import Connection, ask, head
from tests.support.http.served import served

GET = head("GET", "/livez")


class Narrow(HttpServerProtocol):
    """Allows three idle connections."""

    max_idle: ClassVar = 3


async def test_the_connection_idle_for_longest_is_closed_for_a_new_one() -> None:
    """After no bytes, a part of a head, or an answered request. New connections are served."""
    async with served(Api().app, Narrow) as port:
        silent, begun, used = [await Connection.open(port) for _ in range(3)]
        await begun.send(GET[:9])
        await used.send(GET)
        assert (await used.answer()).status_code == 200
        kept = []
        for oldest in (silent, begun, used):
            kept.append(await Connection.open(port))
            await kept[-1].send(GET)
            assert (await kept[-1].answer()).status_code == 200
            assert await oldest.closed() == b""
        for connection in kept:
            await connection.send(GET)
            assert (await connection.answer()).status_code == 200
            connection.close()


async def test_a_connection_with_a_running_request_is_not_idle() -> None:
    """A wait gets its response, however many connections arrive."""
    api = Api()
    made = await api.submit()
    async with served(api.app, Narrow) as port:
        waiting = []
        for _ in range(5):
            waiting.append(await Connection.open(port))
            await waiting[-1].send(head("GET", f"/v1/operations/{made['id']}?wait=2s"))
            assert (await ask(port, GET)).status_code == 200
        for connection in waiting:
            assert (await connection.answer()).status_code == 200
            connection.close()
