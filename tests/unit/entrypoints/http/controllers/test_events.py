"""Server-sent events over HTTP."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from application.control.delete import DeleteOperation
from application.ports.storage.change_feed import Event, Position
from application.ports.storage.operation_view import JsonText
from application.ports.storage.unit_of_work import DatabaseUnavailable
from application.watch import change_hub, subscription
from application.watch import stream as streams
from domain.access.credentials import InvalidCredentials
from domain.access.principal import Principal
from domain.access.scope import ALL_SCOPES, MissingScope
from domain.operation.start.creation import accept
from entrypoints.http.controllers import events
from entrypoints.http.responses import sse as event_stream
from tests.support.http.api import Api, problem
from tests.support.http.sse import SentEvent, streaming
from tests.support.operations import cause
from tests.support.waiting import subscribed

SOMEWHERE = "1-00000000000000000000000000000001-1"


class Revocable:
    """Access that tests can revoke."""

    controlled = True

    def __init__(self) -> None:
        self.error: Exception | None = None

    async def principal(self, authorization: Sequence[str]) -> Principal:
        return Principal("t", scopes=ALL_SCOPES)

    async def still(self, authorization: Sequence[str]) -> Principal:
        if self.error is not None:
            raise self.error
        return await self.principal(authorization)

    async def owner(self, principal: Principal, *, counted: bool) -> Principal:
        return await self.still([])

    async def recheck(self, principal: Principal) -> None:
        await self.still([])


def path_of(made: dict[str, Any]) -> str:
    """Returns the URL of the operation's stream."""
    return f"/v1/operations/{made['id']}/events"


# Streams of one operation


async def test_a_stream_starts_with_the_operation() -> None:
    """Then follow each history line and the operation after it, until the operation is done and the stream ends."""
    api = Api()
    made = await api.submit()
    async with streaming(api, path_of(made)) as stream:
        first = await stream.event()
        assert (first.kind, first.data) == ("operation", made)
        await api.complete(made["id"], {"a": "\n\r\ud800"})
        events = await stream.rest()
    assert [event.kind for event in events if event.kind == "transition"] == ["transition"] * 2
    assert [event.data["to"] for event in events if event.kind == "transition"] == ["RUNNING", "COMPLETED"]
    assert {event.data["operation_id"] for event in events if event.kind == "transition"} == {made["id"]}
    assert (events[-1].kind, events[-1].data["result"]) == ("operation", {"a": "\n\r\ud800"})
    assert stream.ended


async def test_a_stream_forbids_caching_and_buffering() -> None:
    """Proxies must neither store nor delay it."""
    api = Api()
    made = await api.submit()
    await api.complete(made["id"], 1)
    answer = await api.client.get(path_of(made))
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
    assert "content-length" not in answer.headers


async def test_head_does_not_wait() -> None:
    """It returns the headers at once."""
    api = Api()
    made = await api.submit()
    for path in (path_of(made), "/v1/events"):
        answer = await api.client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")


async def test_a_stream_resumes_after_any_event() -> None:
    """Each later line once, with the operation after it; nothing after the end."""
    api = Api()
    made = await api.submit()
    async with streaming(api, path_of(made)) as stream:
        events = [await stream.event()]
        await api.start(made["id"])
        events += [await stream.event(), await stream.event()]
        await api.complete_started(made["id"], 1)
        events += await stream.rest()
    assert [event.kind for event in events] == ["operation", *["transition", "operation"] * 2]
    assert len({event.id for event in events}) == len(events)
    for seen, event in enumerate(events[:-1]):
        async with streaming(api, path_of(made), event.id) as stream:
            again = await stream.rest()
        left = events[seen + 1 :]
        assert [e for e in again if e.kind == "transition"] == [
            replace(e, id=a.id)
            for e, a in zip(
                [e for e in left if e.kind == "transition"], [a for a in again if a.kind == "transition"], strict=True
            )
        ]
        assert again[-1] == events[-1]
    over = await api.client.get(path_of(made), headers={"Last-Event-ID": str(events[-1].id)})
    assert (over.status_code, over.content) == (204, b"")


async def test_another_tenants_operation_is_404() -> None:
    """P8: no stream starts."""
    api = Api()
    made = await api.submit()
    problem(await replace(api, tenant="other").client.get(path_of(made)), 404)


@pytest.mark.parametrize("name", ["", "x", "1", "1.", "01.1", "2.1", "1.2", "1.1.1", "-1.1", "٣.1", SOMEWHERE])
async def test_an_invalid_event_id_of_an_operation_is_refused(name: str) -> None:
    """Garbage, the id of another stream, one that the operation has not reached."""
    api = Api()
    made = await api.submit()
    answer = await api.client.get(path_of(made), headers={b"Last-Event-ID": name.encode()})
    assert problem(answer, 400)["errors"][0]["header"] == "Last-Event-ID"


# Streams of a tenant


async def test_a_tenants_stream_starts_with_the_next_event() -> None:
    """Each line of every operation, and the operation after it. Nothing from before."""
    api = Api()
    old = await api.submit()
    async with streaming(api, "/v1/events") as stream:
        assert (await stream.event()).kind == "position"
        made = await api.submit()
        assert [(event.kind, event.data) for event in (await stream.event(), await stream.event())][1] == (
            "operation",
            made,
        )
        await api.start(old["id"])
        line, operation = await stream.event(), await stream.event()
        assert (line.data["operation_id"], line.data["sequence"]) == (old["id"], 2)
        assert (operation.data["id"], operation.data["version"]) == (old["id"], 2)


async def test_a_client_that_resumes_loses_nothing() -> None:
    """After any of its events it gets all later ones, once, also those from while it was disconnected."""
    api = Api()
    async with streaming(api, "/v1/events") as stream:
        events = [await stream.event()]
        for _ in range(3):
            made = await api.submit()
            events += [await stream.event(), await stream.event()]
    await api.start(made["id"])
    for seen, event in enumerate(events):
        async with streaming(api, "/v1/events", event.id) as stream:
            again = [await stream.event() for _ in range(len(events) - seen - 1 + 1)]
            await api.submit()
            live = [await stream.event(), await stream.event()]
        told = [e.data["operation_id"] for e in [*events[seen + 1 :]] if e.kind == "transition"]
        lines = [(e.data["operation_id"], e.data["sequence"]) for e in [*again, *live] if e.kind == "transition"]
        assert len(lines) == len(set(lines))
        assert [operation_id for operation_id, _ in lines][: len(told)] == told
        assert (made["id"], 2) in lines


async def test_no_event_of_another_tenant_is_sent() -> None:
    """P8: live, resumed, and with an event id of another tenant."""
    api = Api()
    other = replace(api, tenant="other")
    async with streaming(api, "/v1/events") as mine, streaming(other, "/v1/events") as theirs:
        begin = await mine.event()
        await theirs.event()
        await other.submit()
        api.clock.advance(timedelta(seconds=1))
        made = await api.submit()
        assert [(await mine.event()).data["operation_id"], (await mine.event()).data["id"]] == [made["id"]] * 2
        await theirs.event()
        stolen = await theirs.event()
    for name in (begin.id, stolen.id):
        async with streaming(api, "/v1/events", name) as resumed:
            assert (await resumed.event()).data["operation_id"] == made["id"]


@pytest.mark.parametrize("name", ["", "x", "1.1", f"0{SOMEWHERE}", SOMEWHERE + "0" * 11, "9" * 19 + SOMEWHERE[1:]])
async def test_an_invalid_event_id_of_a_tenant_is_refused(name: str) -> None:
    """Garbage, the id of another stream, a position that the feed has not reached."""
    answer = await Api().client.get("/v1/events", headers={"Last-Event-ID": name})
    assert problem(answer, 400)["errors"][0]["header"] == "Last-Event-ID"


@pytest.mark.parametrize("number", [1, 2])
async def test_two_event_ids_are_refused(number: int) -> None:
    """It is ambiguous which one counts."""
    api = Api()
    async with streaming(api, "/v1/events") as stream:
        begin = (await stream.event()).id
    answer = await api.client.get("/v1/events", headers=[("Last-Event-ID", begin or "")] * 2)
    assert problem(answer, 400)["errors"][0]["detail"] == "must not be repeated"


# Lifetime of a stream


async def test_a_stream_without_events_sends_comments() -> None:
    """So that no proxy closes the connection as idle."""
    api = Api(heartbeat=0.01)
    made = await api.submit()
    for path in (path_of(made), "/v1/events"):
        async with streaming(api, path) as stream:
            await stream.event()
            assert await stream.comment()
            assert await stream.comment()


async def test_the_event_id_advances_without_events() -> None:
    """While only other tenants have events, the stream sends ids to resume from: resuming does not read their events
    again."""
    api = Api(heartbeat=0.01)
    async with streaming(api, "/v1/events") as stream:
        begin = await stream.event()
        api.tenant = "other"
        others = [await api.submit() for _ in range(2)]
        moved = await stream.event()
        assert moved.kind == "position"
        assert moved.id != begin.id
        assert not any(other["id"].replace("-", "") in str(moved.id) for other in others)
        api.tenant = "default"
    async with streaming(api, "/v1/events", moved.id) as stream:
        made = await api.submit()
        assert (await stream.event()).data["operation_id"] == made["id"]


async def test_resuming_past_other_tenants_events_advances_the_event_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that disconnects meanwhile resumes further on. It gets no operation of another tenant."""
    monkeypatch.setattr(streams, "CATCH_UP_PAGE", 3)
    api = Api()
    async with streaming(api, "/v1/events") as stream:
        begin = await stream.event()
    first = await api.submit()
    api.tenant = "other"
    others = [await api.submit() for _ in range(5)]
    api.tenant = "default"
    last = await api.submit()
    events: list[SentEvent] = []
    async with streaming(api, "/v1/events", begin.id) as stream:
        while not events or events[-1].kind == "position" or events[-1].data.get("id") != last["id"]:
            events.append(await stream.event())
    assert [event.data["id"] for event in events if event.kind == "operation"] == [first["id"], last["id"]]
    assert "position" in {event.kind for event in events}
    names = {event.id for event in events}
    assert len(names) == len(events)
    assert not any(other["id"].replace("-", "") in str(name) for other in others for name in names)
    for event in events[:-1]:
        async with streaming(api, "/v1/events", event.id) as stream:
            again = [await stream.event()]
            while again[-1].kind == "position" or again[-1].data.get("id") != last["id"]:
                again.append(await stream.event())
        behind = [later.data for later in events[events.index(event) + 1 :] if later.kind != "position"]
        assert [later.data for later in again if later.kind != "position"] == behind


async def test_a_slow_reader_gets_a_resync_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream ends and keeps nothing. After its last event id the client gets all that it missed."""
    monkeypatch.setattr(subscription, "MAX_QUEUE", 3)
    api = Api()
    async with streaming(api, "/v1/events") as stream:
        last = await stream.event()
        stream.hold()
        made = [await api.submit() for _ in range(5)]
        await subscribed(api.hub)
        stream.release()
        events = await stream.rest()
    assert events[-1].kind == "resync"
    assert events[-1].id is None
    had = [event for event in events if event.kind == "transition"]
    last = events[-2] if len(events) > 1 else last
    async with streaming(api, "/v1/events", last.id) as stream:
        while len(had) < 5:
            event = await stream.event()
            had += [event] if event.kind == "transition" else []
    assert [event.data["operation_id"] for event in had] == [operation["id"] for operation in made]


async def test_a_shutdown_ends_every_stream() -> None:
    """One that starts afterwards ends at once."""
    api = Api()
    made = await api.submit()
    async with streaming(api, path_of(made)) as one, streaming(api, "/v1/events") as all_:
        await one.event()
        await all_.event()
        api.hub.close()
        assert (await one.rest(), await all_.rest()) == ([], [])
    async with streaming(api, path_of(made)) as late:
        assert [event.kind for event in await late.rest()] == ["operation"]


async def test_a_stream_ends_when_its_operation_is_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its end was sent. The client gets 404 when it reconnects."""
    monkeypatch.setattr(change_hub, "DELETION_CHECK_INTERVAL", 0.0)
    api = Api()
    made = await api.submit()
    async with streaming(api, path_of(made)) as stream:
        last = await stream.event()
        await api.complete(made["id"], 1)
        await DeleteOperation(api.store.units).delete(api.tenant, UUID(made["id"]))
        assert await stream.rest() == []
    problem(await api.client.get(path_of(made), headers={"last-event-id": last.id or ""}), 404)


@pytest.mark.parametrize("error", [InvalidCredentials("it was revoked"), MissingScope("read")], ids=repr)
async def test_a_stream_ends_with_its_access(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Before another event is sent. An error of the check does not end it."""
    monkeypatch.setattr(event_stream, "RECHECK_INTERVAL", 0.0)
    access = Revocable()
    api = Api(access=access, tenant="t")
    made = await api.submit()
    async with streaming(api, path_of(made)) as one, streaming(api, "/v1/events") as all_:
        await one.event()
        await all_.event()
        access.error = DatabaseUnavailable()
        await api.start(made["id"])
        assert {(await stream.event()).kind for stream in (one, all_)} == {"transition"}
        access.error = error
        await api.complete_started(made["id"], {"secret": 1})
        assert "secret" not in repr([await one.rest(), await all_.rest()])
    assert not api.hub._subscriptions


async def test_a_disconnected_slow_reader_leaves_nothing_behind() -> None:
    """At once, not only after garbage collection."""
    api = Api()
    made = await api.submit()
    async with streaming(api, "/v1/events") as stream:
        await stream.event()
        stream.hold()
        await api.start(made["id"])
        await subscribed(api.hub)
        stream.gone.set()
        while api.hub._subscriptions:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert api.metrics.waiters == 0


async def test_a_disconnected_client_leaves_nothing_behind() -> None:
    """No subscription, and no task."""
    api = Api()
    made = await api.submit()
    async with streaming(api, path_of(made)) as one, streaming(api, "/v1/events") as all_:
        await one.event()
        await all_.event()
        assert len(api.hub._subscriptions) == 2
    assert not api.hub._subscriptions


def test_json_with_line_breaks_is_sent_as_several_data_lines() -> None:
    """Imported operations may have such JSON. Clients join the lines."""
    made = accept(UUID(int=1), tenant="t", type_name="deploy", value=None, labels={}, cause=cause()).operation
    as_stored: Any = JsonText('{"a":\r\n[1,\n2], "b": "\u2028"}')
    event = Event(Position.behind(1), "t", replace(made, input=as_stored))
    fields = [line.partition(": ") for line in events._tenant_event(event).decode().rstrip("\n").split("\n")]
    assert [name for name, _, _ in fields] == ["id", "event", "data", "data", "data"]
    data = "\n".join(value for name, _, value in fields if name == "data")
    assert json.loads(data)["input"] == {"a": [1, 2], "b": "\u2028"}
