"""The examples of docs/client.md, as they stand there, on the real application."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from domain.operation.operation_error import ErrorCode
from opledger import Client, Event
from tests.support.eventually import eventually
from tests.support.http.api import Api
from tests.support.http.bulk import performing
from tests.support.pages import block


class Following(Client):
    """Signals the first event of a stream."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()

    def events(
        self, operation_id: str | UUID | None = None, *, after: str | None = None, positions: bool = False
    ) -> Iterator[Event]:
        for event in super().events(operation_id, after=after, positions=positions):
            self.begun.set()
            yield event


@asynccontextmanager
async def worked(api: Api, *, fails: bool = False) -> AsyncIterator[None]:
    """Ends every operation soon after it was submitted."""

    async def work() -> None:
        while True:
            for one in (await api.client.get("/v1/operations?status=ACCEPTED&page_size=200")).json()["items"]:
                await (api.fail(one["id"], ErrorCode.CANCELED) if fails else api.complete(one["id"], {"ok": True}))
            await asyncio.sleep(0.02)

    task = asyncio.create_task(work())
    yield
    task.cancel()


async def test_examples_of_the_page(
    api: Api, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In their order; the later ones use what the first made."""
    monkeypatch.setenv("OPLEDGER_URL", url)
    names: dict[str, object] = {}
    async with worked(api):
        await asyncio.to_thread(exec, block("docs/client.md", "submit"), names)
        assert capsys.readouterr().out == "{'ok': True}\n"
        names["ledger"] = Client()
        await asyncio.to_thread(exec, block("docs/client.md", "many"), names)
        assert sorted(capsys.readouterr().out.splitlines()) == sorted(f"m{number} COMPLETED" for number in range(100))
    for _ in range(2):
        await api.submit(type="reboot", input={"machine": "m1"}, labels={"wave": "9"}, delay="1h")
    async with performing(api):
        await asyncio.to_thread(exec, block("docs/client.md", "bulk"), names)
    sample = "2 [{'machine': 'm1'}, {'machine': 'm1'}]"
    numbers = "{'matching': 2, 'done': 2, 'skipped': 0, 'failed': 0}"
    assert capsys.readouterr().out.splitlines() == [sample, numbers, "DONE None", "DONE None"]
    names["ledger"] = ledger = Following()
    names["operation"] = operation = await asyncio.to_thread(ledger.submit, "deploy")
    following = asyncio.create_task(asyncio.to_thread(exec, block("docs/client.md", "events"), names))
    await eventually(ledger.begun.is_set, "the stream has begun")
    await api.complete(operation.id, None)
    await following
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["RUNNING", "COMPLETED"]
    async with worked(api, fails=True):
        names["operation"] = await asyncio.to_thread(names["ledger"].submit, "deploy")  # type: ignore[attr-defined]
        await asyncio.to_thread(exec, block("docs/client.md", "failure"), names)
        assert capsys.readouterr().out == "cancellation requested: None\n"
