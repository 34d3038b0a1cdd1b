"""Pages whose parts update themselves: one rendering for all pages with the same view, at a limited rate."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from application.ports.storage.unit_of_work import DatabaseUnavailable
from domain.access.scope import Scope
from domain.operation.attention import Attention, AttentionKind
from entrypoints.ui.live import shared_view
from entrypoints.ui.live.shared_view import Render, SharedViews
from entrypoints.ui.live.view import Source, View
from entrypoints.ui.request import PARTS, Parts
from entrypoints.ui.views.health import HealthView
from entrypoints.ui.views.keys import KeysView
from tests.support.eventually import eventually
from tests.support.http.access import Guarded
from tests.support.http.api import Api
from tests.support.http.sse import Streamed, stream_of
from tests.support.ui.overview import busy
from tests.support.ui.scenes import change, furnish
from tests.unit.entrypoints.ui.test_overview import signed_in


def views_of(api: Api) -> SharedViews:
    """The shared views of an application."""
    parts: Parts = api.app.state[PARTS]
    return parts.views


def source_of(api: Api) -> Source:
    """What views are read from."""
    return Source(api.services, api.clock)


async def parts(stream: Streamed) -> str:
    """The next part that the stream sends."""
    while True:
        text = await stream._block()
        assert text is not None, "the stream has ended"
        if text.startswith("data: "):
            return text


async def until(stream: Streamed, words: str) -> str:
    """The first part with these words."""
    while words not in (text := await parts(stream)):
        pass
    return text


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renders as soon as there is something to render."""
    monkeypatch.setattr(shared_view, "INTERVAL", 0.0)
    monkeypatch.setattr(shared_view, "SHARE", 0)


@pytest.mark.usefixtures("no_pause")
async def test_now_shows_a_change_of_its_tenant() -> None:
    """Each part is an element that takes the place of the one on the page. Parts that stay as they are do not come."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    async with stream_of(api.app, "/live/now", {}) as stream:
        first = [await parts(stream) for _ in range(8)]
        assert all(' hx-swap-oob="outerMorph"' in each for each in first)
        assert ' id="now-lead"' in first[0]
        assert "1 operation needs attention." in first[0]
        await change(api, made["running"], attention=Attention(AttentionKind.STALLED, api.clock.now(), "no progress"))
        lead, stats, attention = [await parts(stream) for _ in range(3)]
        assert "2 operations need attention." in lead
        assert ' id="now-stats"' in stats
        assert ' id="now-attention"' in attention
        assert "no progress" in attention
        api.hub.close()
        assert await stream._block() is None


@pytest.mark.usefixtures("no_pause")
async def test_types_and_one_type_show_new_operations() -> None:
    """With the links of their numbers."""
    api = Api(with_dashboard=True)
    async with (
        stream_of(api.app, "/live/types", {}) as types,
        stream_of(api.app, "/live/types/one", {}, query=b"name=deploy&window=hour") as one,
    ):
        await parts(types)
        await parts(one)
        await api.submit()
        assert "type=deploy&amp;status=ACCEPTED" in await until(types, ">1</a>")
        assert ' id="type-stats"' in await until(one, "<b>1</b>")


@pytest.mark.usefixtures("no_pause")
async def test_health_and_keys_are_read_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """No change of an operation announces theirs."""
    for view in (HealthView, KeysView):
        monkeypatch.setattr(view, "refresh", 0.01)
    api = await busy()
    visitor = await signed_in(api, api.secret)
    cookie = {"Cookie": f"opledger_session={visitor.client.cookies['opledger_session']}"}
    async with (
        stream_of(api.app, "/live/health", cookie) as health,
        stream_of(api.app, "/live/keys", cookie) as keys,
    ):
        await until(health, "None has run yet.")
        await until(keys, "on-call")
        api.drift.worker_age = timedelta(seconds=1)
        await until(health, "At least one runs.")
        await api.manage.create("new-one", tenant="default", scopes=frozenset({Scope.READ}), life=None)
        text = await until(keys, "new-one")
        assert "form_token" not in text
        assert 'form="revoke"' in text


@pytest.mark.parametrize("path", ["/live/now", "/live/types", "/live/health"])
async def test_streams_of_another_tenant_are_its_own(path: str) -> None:
    """P8: nothing of the tenant is in them."""
    api = Guarded(with_dashboard=True)
    own, other = await api.key("a", name="own"), await api.key("b", name="other")
    await api.ask("POST", "/v1/operations", own, json={"type": "deploy"})
    async with stream_of(api.app, path, own) as mine, stream_of(api.app, path, other) as theirs:
        texts = [await parts(mine), await parts(theirs)]
    assert all(' id="' in text for text in texts)
    assert (await api.ask("GET", "/live/keys", await api.key("a", Scope.READ))).status_code == 403


async def test_the_message_of_a_failed_check_is_for_admins() -> None:
    """Readers and admins do not share the view."""
    admin, reader = HealthView("a", "", errors=True), HealthView("a", "", errors=False)
    assert admin != reader
    assert replace(admin, errors=False) == reader


async def test_200_pages_cost_one_rendering_a_second() -> None:
    """However many operations change, and the last change is shown."""
    api = Api(with_dashboard=True)
    rendered = 0
    views = views_of(api)
    render = views._render

    async def counted(view: View, source: Source) -> Mapping[str, str]:
        nonlocal rendered
        rendered += 1
        return await render(view, source)

    views._render = counted
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(stream_of(api.app, "/live/now", {})) for _ in range(200)]
        for stream in streams:
            await until(stream, "now-durations")
        assert views.rendered == 1
        begun, before = loop.time(), rendered
        for _ in range(50):
            await api.submit()
        for stream in streams:
            await until(stream, "<b>50</b>")
        seconds = loop.time() - begun
    assert rendered - before <= seconds / shared_view.INTERVAL + 1
    await eventually(lambda: views.rendered == 0)


async def test_a_page_gets_nothing_that_is_older_than_itself() -> None:
    """A view that is shown already is rendered again for a page that was loaded since."""
    source = source_of(Api())
    numbers = iter(range(1, 100))

    async def render(_view: View, _source: Source) -> Mapping[str, str]:
        return {"part": f"rendering {next(numbers)}"}

    async with rendering(render) as views:
        first = views.watch(HealthView("t", "", errors=False), source)
        assert await anext(first) == b"data: rendering 1\n\n"
        second = views.watch(HealthView("t", "", errors=False), source)
        assert await anext(second) == b"data: rendering 2\n\n"
        assert await anext(first) == b"data: rendering 2\n\n"
        await second.aclose()
        await first.aclose()
        assert views.rendered == 0


@pytest.mark.parametrize("error", [DatabaseUnavailable("gone"), RuntimeError("a bug")])
async def test_pages_keep_what_they_show_while_it_cannot_be_read(
    error: Exception, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream goes on, with heartbeats, and the log says why."""
    monkeypatch.setattr(shared_view, "HEARTBEAT", 0.01)
    monkeypatch.setattr(HealthView, "refresh", 0.01)
    working = False

    async def render(_view: View, _source: Source) -> Mapping[str, str]:
        if not working:
            raise error
        return {"part": "first\nsecond"}

    async with rendering(render) as views:
        watching = views.watch(HealthView("t", "", errors=False), source_of(Api()))
        assert await anext(watching) is None
        working = True
        while (found := await anext(watching)) is None:
            pass
        assert found == b"data: first\ndata: second\n\n"
        await watching.aclose()
    assert "HealthView, trying again" in caplog.text


@asynccontextmanager
async def rendering(render: Render) -> AsyncIterator[SharedViews]:
    """Shared views with this rendering, without a pause."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_view, "INTERVAL", 0.0)
        patch.setattr(shared_view, "SHARE", 0)
        yield SharedViews(render)


async def test_a_tenant_has_a_limited_number_of_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tenants share the slots in which views are rendered. Another page of an open view is no new one."""
    monkeypatch.setattr(shared_view, "MAX_VIEWS_EACH", 1)
    api = Guarded(with_dashboard=True)
    mine, theirs = await api.key(tenant="a"), await api.key(tenant="b")
    async with stream_of(api.app, "/live/now", mine) as first:
        await parts(first)
        async with stream_of(api.app, "/live/now", mine) as again:
            await parts(again)
        assert (await api.client.get("/live/now?window=day", headers=mine)).status_code == 429
        async with stream_of(api.app, "/live/now", theirs, query=b"window=day") as other:
            await parts(other)
