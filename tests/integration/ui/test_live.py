"""Pages keep themselves up to date."""

import pytest
from playwright.async_api import Browser, expect

from application.access.authenticate import CACHE_MAX_AGE
from domain.operation.operation_error import ErrorCode
from domain.operation.report import Progress
from entrypoints.http.responses import sse
from entrypoints.http.server.slow_readers import HttpServerProtocol
from tests.support.http.access import Guarded
from tests.support.http.api import Api
from tests.support.http.served import served
from tests.support.ui.scenes import change, furnish
from tests.support.ui.window import window

pytestmark = pytest.mark.tools


async def test_a_row_changes_in_its_place(browser: Browser) -> None:
    """Without a new page; also when it does not match the filters any more."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    async with window(browser, api) as page:
        await page.goto("/operations?status=RUNNING")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        row = page.locator(f"#op-{made['running']}")
        await change(api, made["running"], progress=Progress(0.9, "almost there", (), api.clock.now()))
        await expect(row).to_contain_text("almost there")
        await api.complete_started(made["running"], "deployed")
        await expect(row).to_contain_text("Completed")
        assert await page.locator(".row").count() == 1


async def test_new_operations_are_announced_and_nothing_moves(browser: Browser) -> None:
    """Only those that match the filters. The announcement shows them."""
    api = Api(with_dashboard=True)
    await furnish(api)
    async with window(browser, api) as page:
        await page.goto("/operations?type=deploy")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        for kind in ("deploy", "build", "deploy"):
            await api.submit(type=kind)
        news = page.get_by_role("link", name="2 new")
        await expect(news).to_be_visible()
        assert await page.locator(".row").count() == 3
        await page.keyboard.press("r")
        await expect(page.locator(".row")).to_have_count(5)


async def test_the_page_of_an_operation_follows_it_to_its_end(browser: Browser) -> None:
    """Status, history and actions."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    async with window(browser, api) as page:
        await page.goto(f"/operations/{made['accepted']}")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await api.start(made["accepted"])
        await expect(page.get_by_role("heading", name="Running deploy")).to_be_visible()
        await api.complete_started(made["accepted"], "deployed")
        await expect(page.get_by_role("heading", name="Completed deploy")).to_be_visible()
        await expect(page.get_by_role("button", name="Retry")).to_be_visible()


async def test_a_change_does_not_close_what_the_caller_confirms(browser: Browser) -> None:
    """The reason that was typed stays. The change is shown afterwards."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    async with window(browser, api) as page:
        await page.goto(f"/operations/{made['accepted']}")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await page.keyboard.press("c")
        reason = page.get_by_label("Reason, for the history")
        await reason.fill("wrong machine")
        async with page.expect_event("console", lambda message: message.text == "news"):
            await page.evaluate(
                "document.getElementById('live').addEventListener('changed', () => console.log('news'))"
            )
            await api.start(made["accepted"])
        await expect(reason).to_have_value("wrong machine")
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("heading", name="Running deploy")).to_be_visible()


@pytest.mark.parametrize(
    ("path", "part", "shown"),
    [
        ("/operations", "#op-{running}", "Completed"),
        ("/", "main", "START_REJECTED"),
        ("/operations/{running}", "main", "deployed"),
    ],
    ids=["list", "now", "operation"],
)
async def test_pages_reconnect_after_a_restart_of_the_api(browser: Browser, path: str, part: str, shown: str) -> None:
    """They then show what has changed meanwhile."""
    first = Api(with_dashboard=True)
    made = await furnish(first)
    context = await browser.new_context()
    try:
        page = await context.new_page()
        async with served(first.app, HttpServerProtocol) as port:
            await page.goto(f"http://127.0.0.1:{port}{path.format(**made)}")
            await expect(page.get_by_text("Live", exact=True)).to_be_visible()
            changing = page.locator(part.format(**made))
            await expect(changing).not_to_contain_text(shown)
            first.hub.close()
        await expect(page.get_by_text("Reconnecting", exact=True)).to_be_visible()
        second = Api(with_dashboard=True, store=first.store, clock=first.clock)
        await second.complete_started(made["running"], "deployed")
        await second.fail((await second.submit())["id"], ErrorCode.START_REJECTED)
        async with served(second.app, HttpServerProtocol, port):
            await expect(changing).to_contain_text(shown, timeout=60_000)
            await expect(page.get_by_text("Live", exact=True)).to_be_visible()
            await context.close()
    finally:
        await context.close()


async def test_a_revoked_key_ends_an_open_page(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next change, and without an action of the caller."""
    monkeypatch.setattr(sse, "RECHECK_INTERVAL", 0)
    api = Guarded(with_dashboard=True)
    key = (await api.key())["Authorization"].removeprefix("Bearer ")
    other = await api.key()
    async with window(browser, api, expected=("401", "htmx:sse:error")) as page:
        await page.goto("/operations")
        await page.get_by_label("API key").fill(key)
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await api.manage.revoke(key.split("_")[1])
        api.key_clock.advance(CACHE_MAX_AGE)
        await api.ask("POST", "/v1/operations", other, json={"type": "deploy"})
        await expect(page.get_by_role("heading", name="Sign in to opledger")).to_be_visible()
