"""Event streams of the pages: whose events they have, how they end, and what they cost."""

import html
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import UUID

import pytest

from application.ports.storage.change_feed import STATE, Event, Mark, Position
from application.ports.storage.operation_queries import OperationFilter, SortTime
from application.watch import stream as stream_module
from application.watch.subscription import MAX_QUEUE
from domain.access.principal import Principal
from domain.operation.lifecycle import start
from domain.operation.operation import Operation
from domain.operation.status import OperationStatus
from entrypoints.http.responses import sse
from entrypoints.http.responses.event_ids import position_id, read_position
from entrypoints.ui.live import list_watch
from entrypoints.ui.live.list_watch import ListPage, ListWatch, RowUpdate, encoded_rows
from entrypoints.ui.pages import operations
from entrypoints.ui.pages.live.streams import _row
from tests.contract.storage.operations.test_operation_repository import accepted_change
from tests.support.http.access import Guarded
from tests.support.http.api import Api, raw
from tests.support.http.sse import Streamed, stream_of
from tests.support.operations import cause
from tests.support.ui.scenes import change
from tests.support.ui.visitor import Visitor

DEPLOY = {"type": "deploy"}


async def block(stream: Streamed) -> str:
    """The next event, without heartbeats."""
    while True:
        text = await stream._block()
        assert text is not None, "the stream has ended"
        if "data" in text:
            return text


async def stream_url(visitor: Visitor, path: str) -> tuple[str, bytes]:
    """Path and query of the stream of a page."""
    [url] = re.findall(r'hx-sse:connect="([^"]+)"', await visitor.see(path))
    path, _, query = html.unescape(url).partition("?")
    return path, query.encode()


async def test_the_list_gets_the_rows_on_its_page_and_news_of_others() -> None:
    """Of its own tenant. What is on no row of the page comes as its id, and only if it matches."""
    api = Guarded(with_dashboard=True)
    own, other = await api.key("a", name="own"), await api.key("b", name="other")
    core = {**DEPLOY, "labels": {"team": "core"}}
    shown = (await api.ask("POST", "/v1/operations", own, json=core)).json()["id"]
    query = f"label.team=core&rows={encoded_rows([UUID(shown)])}".encode()
    async with stream_of(api.app, "/live/operations", own, query=query) as stream:
        await stream._block()
        await api.ask("POST", "/v1/operations", other, json=core)
        await api.ask("POST", "/v1/operations", own, json=DEPLOY)
        new = (await api.ask("POST", "/v1/operations", own, json=core)).json()["id"]
        await api.complete(shown, "done")
        first, second = await block(stream), await block(stream)
    assert first.endswith(f"event: new\ndata: op-{new}")
    assert f'<tr id="op-{shown}"' in second
    assert 'hx-swap-oob="outerHTML"' in second


async def test_a_row_that_stops_matching_is_updated() -> None:
    """It is on the page. An announced operation that stops matching is taken back, and is announced again."""
    api = Api(with_dashboard=True)
    shown = (await api.submit())["id"]
    path, query = await stream_url(Visitor(api), "/operations?status=ACCEPTED")
    async with stream_of(api.app, path, {}, query=query) as stream:
        await api.start(shown)
        assert f'<tr id="op-{shown}"' in await block(stream)
        announced = (await api.submit())["id"]
        assert (await block(stream)).endswith(f"event: new\ndata: op-{announced}")
        await api.start(announced)
        assert (await block(stream)).endswith(f"event: gone\ndata: op-{announced}")
        await api.complete_started(announced, 1)
        await api.complete_started(shown, 1)
        assert f'<tr id="op-{shown}"' in await block(stream)


@pytest.mark.parametrize("query", ["finished_after=2025-12-31T00:00:00Z", "order=-finished_at"])
async def test_a_list_by_finish_time_announces_what_finishes(query: str) -> None:
    """Filtered or only sorted by it. An operation that starts is not announced."""
    api = Api(with_dashboard=True)
    first, second = (await api.submit())["id"], (await api.submit())["id"]
    await api.complete(first, 1)
    path, search = await stream_url(Visitor(api), f"/operations?{query}")
    async with stream_of(api.app, path, {}, query=search) as stream:
        await api.start(second)
        await api.complete_started(second, 1)
        assert (await block(stream)).endswith(f"event: new\ndata: op-{second}")


async def test_what_the_page_would_not_show_is_not_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that is behind the last row of the page, in either order."""
    monkeypatch.setattr(operations, "PAGE_SIZE", 1)
    api = Api(with_dashboard=True)
    made = []
    for _ in range(3):
        made.append((await api.submit())["id"])
        api.clock.advance(timedelta(seconds=1))
    for order, on_page, behind in (("-accepted_at", made[2], made[0]), ("accepted_at", made[0], made[2])):
        path, query = await stream_url(Visitor(api), f"/operations?order={order}")
        async with stream_of(api.app, path, {}, query=query) as stream:
            await change(api, behind, keep=order.startswith("-"))
            await change(api, on_page, keep=order.startswith("-"))
            assert f'<tr id="op-{on_page}"' in await block(stream)


async def test_announcements_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page says "100+ new" then. Its rows are still kept up to date."""
    monkeypatch.setattr(list_watch, "MAX_ANNOUNCED", 2)
    api = Api(with_dashboard=True)
    shown = (await api.submit())["id"]
    path, query = await stream_url(Visitor(api), "/operations")
    async with stream_of(api.app, path, {}, query=query) as stream:
        for _ in range(4):
            await api.submit()
        await api.start(shown)
        events = [await block(stream) for _ in range(3)]
    assert ["event: new" in each for each in events] == [True, True, False]
    assert f'<tr id="op-{shown}"' in events[2]


async def test_a_stream_goes_on_behind_changes_that_it_does_not_send() -> None:
    """Its heartbeats say how far it is, so that a reconnection does not read them again."""
    api = Api(with_dashboard=True, heartbeat=0.01)
    before = await api.store.feed.head()
    async with stream_of(api.app, "/live/operations", {}, query=b"type=build") as stream:
        await api.submit()
        reached = before
        while reached <= before:
            text = await stream._block() or ""
            assert "data" not in text
            reached = read_position(text.removeprefix("id: ")) or before


async def test_a_list_that_is_far_behind_is_loaded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of 400 makes the page load itself, which costs less than reading all the changes."""
    monkeypatch.setattr(stream_module, "CATCH_UP_PAGE", 3)
    api = Api(with_dashboard=True)
    seen = position_id(await api.store.feed.head())
    await api.submit()
    assert (await stream_status(api, seen)) == 200
    await api.submit()
    assert (await stream_status(api, seen)) == 400


async def stream_status(api: Api, seen: str) -> int:
    """What a list answers that resumes there."""
    answer, _ = await raw(api.app, "HEAD", "/live/operations", headers=[(b"last-event-id", seen.encode())])
    return answer.status


@pytest.mark.parametrize("rows", ["AAAA!", "AAAAA", "AAA", "A" * 1200])
async def test_rows_that_are_of_no_page_are_refused(rows: str) -> None:
    """They are not an encoding, or too many."""
    answer = await Api(with_dashboard=True).client.get("/live/operations", params={"rows": rows})
    assert answer.status_code == 400


async def test_the_list_resumes_after_its_last_event() -> None:
    """After a restart of the API no change is missed."""
    api = Api(with_dashboard=True)
    async with stream_of(api.app, "/live/operations", {}) as stream:
        await stream._block()
        await api.submit()
        seen = (await block(stream)).split("id: ")[1].split("\n")[0]
    missed = (await api.submit())["id"]
    async with stream_of(api.app, "/live/operations", {"Last-Event-ID": seen}) as stream:
        assert f"data: op-{missed}" in await block(stream)


async def test_the_stream_of_an_operation_ends_with_it() -> None:
    """`changed` for each change, then `end`, after which the page does not connect again."""
    api = Api(with_dashboard=True)
    made = (await api.submit())["id"]
    async with stream_of(api.app, f"/live/operations/{made}", {}) as stream:
        assert "event: changed" in await block(stream)
        await api.complete(made, "done")
        rest = []
        while (text := await stream._block()) is not None:
            rest.append(text)
    assert "event: changed" in rest[0]
    assert rest[-1].startswith("event: end")


async def test_a_shutdown_is_no_end() -> None:
    """So that the page connects again."""
    api = Api(with_dashboard=True)
    made = (await api.submit())["id"]
    async with stream_of(api.app, f"/live/operations/{made}", {}) as stream:
        assert "event: changed" in await block(stream)
        api.hub.close()
        assert await stream._block() is None


async def test_another_tenants_operation_has_no_stream() -> None:
    """404, as of none."""
    api = Guarded(with_dashboard=True)
    owner, other = await api.key("a", name="owner"), await api.key("b", name="other")
    made = (await api.ask("POST", "/v1/operations", owner, json=DEPLOY)).json()["id"]
    assert (await api.ask("GET", f"/live/operations/{made}", other)).status_code == 404


async def test_a_stream_without_a_session_is_refused() -> None:
    """401, not the page for signing in, which a script would read as events."""
    headers = [(b"accept", b"text/html, text/event-stream")]
    answer, _ = await raw(Guarded(with_dashboard=True).app, "GET", "/live/operations", headers=headers)
    assert answer.status == 401


async def test_all_dashboards_share_the_feed_and_the_rows() -> None:
    """200 of them: the feed is read once, and each row is rendered once."""
    api = Api(with_dashboard=True)
    made = (await api.submit())["id"]
    path, query = await stream_url(Visitor(api), "/operations")
    reads = 0
    load = api.store.feed.load

    async def counted(marks: Sequence[Mark]) -> list[Event]:
        nonlocal reads
        reads += 1
        return await load(marks)

    api.store.feed.load = counted  # type: ignore[method-assign]
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(stream_of(api.app, path, {}, query=query)) for _ in range(200)]
        await api.start(made)
        for stream in streams:
            await block(stream)  # from here on it has nothing to catch up with
        rendered, reads = _row.cache_info().misses, 0
        await api.complete_started(made, "done")
        for stream in streams:
            assert f'<tr id="op-{made}"' in await block(stream)
    assert _row.cache_info().misses == rendered + 1
    assert 1 <= reads <= 2  # the history line and the operation may come apart


async def test_the_list_has_what_changed_since_its_page() -> None:
    """Between the read of the page and the connection."""
    api = Api(with_dashboard=True)
    made = (await api.submit())["id"]
    path, query = await stream_url(Visitor(api), "/operations")
    await api.complete(made, "done")
    async with stream_of(api.app, path, {}, query=query) as stream:
        assert f'<tr id="op-{made}"' in await block(stream)


async def test_the_page_of_an_operation_does_not_refresh_without_a_change() -> None:
    """Its stream begins where the page was rendered, and a change is one event."""
    api = Api(with_dashboard=True)
    made = (await api.submit())["id"]
    page = await Visitor(api).see(f"/operations/{made}")
    [url] = re.findall(r'hx-sse:connect="([^"]+)"', page)
    path, _, query = html.unescape(url).partition("?")
    async with stream_of(api.app, path, {}, query=query.encode()) as stream:
        await api.complete(made, "done")
        events = []
        while (text := await stream._block()) is not None:
            events += [line for line in text.splitlines() if line.startswith("event: ")]
    assert events == ["event: changed", "event: end"]


async def test_a_position_of_another_database_is_refused() -> None:
    """After a restore: the page loads itself again."""
    api = Api(with_dashboard=True)
    later = f"999999999-{'0' * 32}-1"
    answer = await api.client.get("/live/operations", params={"last_event_id": later})
    assert answer.status_code == 400


async def test_rechecks_of_streams_do_not_count_towards_the_rate_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many open pages would use up the limit of their key."""
    api = Guarded(with_dashboard=True)
    visitor, key = Visitor(api), await api.key("a")
    await visitor.submit(await visitor.see("/sign-in"), "/sign-in", key=key["Authorization"].removeprefix("Bearer "))
    cookie = {"Cookie": f"opledger_session={visitor.client.cookies['opledger_session']}"}
    monkeypatch.setattr(sse, "RECHECK_INTERVAL", 0.0)
    calls: list[bool] = []
    access = api.reader
    owner = access.owner

    async def counting(principal: Principal, *, counted: bool) -> Principal:
        calls.append(counted)
        return await owner(principal, counted=counted)

    access.owner = counting  # type: ignore[method-assign]
    async with stream_of(api.app, "/live/operations", cookie) as stream:
        await stream._block()
        await api.ask("POST", "/v1/operations", key, json=DEPLOY)
        await block(stream)
    assert calls[0]
    assert calls[1:]
    assert not any(calls[1:])


async def test_a_flood_of_changes_does_not_end_the_streams_of_lists() -> None:
    """What a list does not need takes no place in its queue; it would reconnect, and catch up, otherwise."""
    api = Api(with_dashboard=True)
    async with stream_of(api.app, "/live/operations", {}, query=b"type=build") as stream:
        await stream._block()
        async with api.store.units() as unit:
            for number in range(1, 2 * MAX_QUEUE):
                await unit.operations.add(accepted_change(number))
            await unit.commit()
        new = (await api.submit(type="build"))["id"]
        assert f"data: op-{new}" in await block(stream)
    assert api.metrics.resyncs == 0


def state_of(operation: Operation) -> Event:
    """The event of a version of the operation."""
    return Event(Position(operation.version, operation.id, STATE), operation.tenant, operation)


def watch_of(status: OperationStatus) -> ListWatch:
    """The watch of a list without rows."""
    criteria = OperationFilter(statuses=frozenset({status}))
    return ListWatch(ListPage(criteria, SortTime.ACCEPTED, True, None, frozenset()))


def test_a_change_that_arrives_before_the_announcement_is_sent_takes_it_back() -> None:
    """The announcement waits in the queue when the operation stops matching."""
    watch = watch_of(OperationStatus.ACCEPTED)
    accepted = accepted_change(1).operation
    started = start(accepted, cause(1)).operation
    assert watch.wants(state_of(accepted))
    assert watch.wants(state_of(started))
    assert [watch.update_for(accepted), watch.update_for(started)] == [RowUpdate.NEW, RowUpdate.GONE]


def test_a_watch_remembers_as_many_operations_as_its_queue_has_events() -> None:
    """Those of the last events."""
    watch = watch_of(OperationStatus.ACCEPTED)
    made = [accepted_change(number).operation for number in range(1, MAX_QUEUE + 2)]
    assert all(watch.wants(state_of(operation)) for operation in made)
    started = [state_of(start(operation, cause(1)).operation) for operation in made]
    assert [watch.wants(event) for event in started] == [False] + [True] * MAX_QUEUE
