"""What `opledger watch` shows of the operations that match its filters."""

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import httpx
import pytest

from opledger import Client, Operation
from opledger._cli.matching import last_changed
from tests.support.eventually import eventually
from tests.support.http.api import Api
from tests.unit.sdk.cli.test_processes import COMMAND


class Interrupted(httpx.HTTPTransport):
    """Something happens after the ledger has answered a list, and before the client has the answer."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self._happens = happens

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = super().handle_request(request)
        if request.url.path == "/v1/operations":
            answer.read()
            self._happens()
        return answer


async def after(shown: Iterator[Sequence[Operation]], until: Callable[[Sequence[str]], bool]) -> list[str]:
    """The ids that are shown first for which the condition holds."""

    def look() -> list[str]:
        return next(ids for ids in ([one.id for one in rows] for rows in shown) if until(ids))

    return await asyncio.wait_for(asyncio.to_thread(look), 60)


async def test_change_between_the_list_and_the_stream_is_not_lost(api: Api, url: str) -> None:
    """An operation ends while its list is on the way."""
    made = (await api.submit())["id"]
    await api.start(made)
    loop = asyncio.get_running_loop()

    def end() -> None:
        asyncio.run_coroutine_threadsafe(api.complete_started(made, None), loop).result()

    filters = {"status": ("RUNNING",)}
    with Client(url, transport=Interrupted(end)) as ledger, closing(last_changed(ledger, filters)) as shown:
        assert await after(shown, lambda _: True) == [made]
        assert await after(shown, lambda _: True) == []


async def test_operation_that_matches_no_longer_is_not_shown(api: Api, url: str) -> None:
    """One that matches again comes back, as the last changed one."""
    first, second = [(await api.submit())["id"] for _ in range(2)]
    filters = {"status": ("ACCEPTED", "COMPLETED")}
    with Client(url) as ledger, closing(last_changed(ledger, filters)) as shown:
        assert await after(shown, lambda _: True) == [first, second]
        await api.start(first)
        assert await after(shown, lambda ids: first not in ids) == [second]
        await api.complete_started(first, None)
        assert await after(shown, lambda ids: first in ids) == [second, first]


async def test_list_is_read_again_where_half_of_it_matches_no_longer(api: Api, url: str) -> None:
    """There were more than are shown."""
    made = [(await api.submit())["id"] for _ in range(7)]
    with Client(url) as ledger, closing(last_changed(ledger, {"status": ("ACCEPTED",)}, most=4)) as shown:
        assert await after(shown, lambda _: True) == made[3:]
        for one in made[:2:-1]:
            await api.start(one)
        assert set(await after(shown, lambda ids: not {*ids} & {*made[3:]})) == {*made[:3]}


@pytest.mark.parametrize("form", ["table", "jsonl"])
async def test_watch_without_a_terminal_prints_each_change_that_matches(api: Api, url: str, form: str) -> None:
    """A line each, from when the stream is open: before that, changes are not printed."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "watch", "-l", "n=1", "-o", form, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = asyncio.create_task(process.stdout.readline())
    others: list[str] = []
    matching: list[str] = []

    async def printed() -> bool:
        for label, made in (("0", others), ("1", matching)):
            made.append((await api.submit(labels={"n": label}))["id"])
        return line.done()

    await eventually(printed)
    process.terminate()
    said = (await line + await process.stdout.read()).decode()
    assert any(one in said for one in matching)
    assert not any(one in said for one in others)
    await process.wait()


async def test_watch_in_a_terminal_takes_a_row_away(api: Api, url: str) -> None:
    """The live table has the operations that match now."""
    gone, stays = "build", "deploy"
    made = [(await api.submit(type=name))["id"] for name in (gone, stays)]
    ours, theirs = os.openpty()
    environment: dict[str, Any] = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "20"}
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "watch", "--status", "ACCEPTED", stdin=theirs, stdout=theirs, env=environment
    )
    os.close(theirs)

    async def frame(condition: Callable[[str], bool]) -> str:
        """The last frame of which the condition holds."""
        text = ""
        async with asyncio.timeout(60):
            while True:
                text += (await asyncio.to_thread(os.read, ours, 10_000)).decode()
                last = text.rpartition("ID ")[2]
                if condition(last):
                    return last

    await frame(lambda text: gone in text and stays in text)
    await api.start(made[0])
    assert gone not in await frame(lambda text: gone not in text and stays in text)
    process.terminate()
    await process.wait()
    os.close(ours)
