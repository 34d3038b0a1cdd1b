"""The page of docs/browsers.md follows events, over lost connections too."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from application.watch.subscription import SubscriptionEnded
from entrypoints.http.server.slow_readers import HttpServerProtocol
from tests.support import javascript
from tests.support.http.access import Guarded
from tests.support.http.served import served
from tests.support.pages import block

pytestmark = pytest.mark.tools


class Page:
    """The events that the page reports."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        self._lines = process.stdout

    async def event(self) -> list[Any]:
        """Kind and operation id of the next event."""
        line = await self._lines.readline()
        assert line, "the page has ended"
        event: list[Any] = json.loads(line)
        return event

    async def of(self, operation_id: str) -> list[str]:
        """Kinds of the next two events, which are of that operation. Positions are passed over: they come with time."""
        kinds: list[str] = []
        while len(kinds) < 2:
            kind, about = await self.event()
            if kind != "position":
                assert about == operation_id
                kinds.append(kind)
        return kinds


@asynccontextmanager
async def page(folder: Path, api: Guarded) -> AsyncIterator[Page]:
    """The example of the documentation, in Node.js."""
    project = javascript.project(folder, "events.js")
    (project / "follow.js").write_text("export " + block("docs/browsers.md", "events"))
    key = (await api.key())["Authorization"].removeprefix("Bearer ")
    async with served(api.app, HttpServerProtocol) as port:
        command = ("node", "events.js", f"http://127.0.0.1:{port}", key)
        process = await asyncio.create_subprocess_exec(*command, cwd=project, stdout=asyncio.subprocess.PIPE)
        try:
            yield Page(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


async def test_no_event_is_lost_or_repeated(tmp_path: Path) -> None:
    """The connection ends twice; what happens meanwhile arrives with the next ticket, once."""
    api = Guarded()
    key = await api.key()
    async with page(tmp_path, api) as events:
        assert (await events.event())[0] == "position"
        for _ in range(2):
            made = [(await api.ask("POST", "/v1/operations", key, json={"type": "deploy"})).json()["id"]]
            assert await events.of(made[0]) == ["transition", "operation"]
            for subscription in [one for many in api.hub._subscriptions.values() for one in many]:
                subscription.end(SubscriptionEnded())
            made += [(await api.ask("POST", "/v1/operations", key, json={"type": "deploy"})).json()["id"]]
            assert await events.of(made[1]) == ["transition", "operation"]
    created = [answer for answer in api.answers if answer[1] == "/v1/stream-tickets"]
    assert [status for _, _, status, _ in created] == [201] * 3
    assert all(status == 200 for _, route, status, _ in api.answers if route == "/v1/events")
