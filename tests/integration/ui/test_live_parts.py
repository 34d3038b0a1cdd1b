"""The pages Now, Types, Health and Keys keep themselves up to date. Open tables, focus and scroll position stay."""

from datetime import timedelta
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page, expect

from domain.access.scope import Scope
from domain.operation.attention import Attention, AttentionKind
from entrypoints.ui.views.health import HealthView
from entrypoints.ui.views.keys import KeysView
from tests.integration.ui.test_overview import signed_in
from tests.support.http.api import Api
from tests.support.ui.overview import busy
from tests.support.ui.scenes import change, furnish
from tests.support.ui.window import window

pytestmark = pytest.mark.tools


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads views that no change announces at short intervals."""
    for view in (HealthView, KeysView):
        monkeypatch.setattr(view, "refresh", 0.1)


async def live(page: Page, path: str) -> None:
    """Opens a page and waits for its stream."""
    await page.goto(path)
    await expect(page.get_by_text("Live", exact=True)).to_be_visible()


async def stall(api: Api, operation_id: str, message: str) -> None:
    """Lets an operation need attention."""
    await change(api, operation_id, attention=Attention(AttentionKind.STALLED, api.clock.now(), message))


async def test_now_shows_what_happens(browser: Browser) -> None:
    """Numbers, and what needs attention, without a load of the page."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    async with window(browser, api) as page:
        await live(page, "/")
        await page.evaluate("window.kept = true")
        await expect(page.get_by_role("link", name="Need attention")).to_contain_text("1")
        await stall(api, made["running"], "no progress for 40 min")
        await expect(page.get_by_role("link", name="Need attention")).to_contain_text("2")
        await expect(page.locator("#now-attention")).to_contain_text("no progress for 40 min")
        await api.complete_started(made["running"], 1)
        await expect(page.locator("#now-throughput")).to_contain_text("Completed 2")
        assert await page.evaluate("window.kept")


async def test_an_empty_ledger_fills(browser: Browser) -> None:
    """The hint for the first operation goes away."""
    api = Api(with_dashboard=True)
    async with window(browser, api) as page:
        await live(page, "/")
        await expect(page.get_by_role("heading", name="No operations yet")).to_be_visible()
        await api.submit()
        await expect(page.get_by_role("heading", name="No operations yet")).to_be_hidden()
        await live(page, "/types")
        await api.submit(type="build")
        await expect(page.get_by_role("row").filter(has_text="build")).to_contain_text("1")


async def test_what_the_reader_has_opened_stays_open(browser: Browser) -> None:
    """The table of a chart, the position of the page, and the focus."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    async with window(browser, api, viewport={"width": 1280, "height": 500}) as page:
        await live(page, "/")
        await page.locator("#now-throughput summary").click()
        await page.get_by_role("region", name="Throughput, numbers").focus()
        before = await page.evaluate("scrollY")
        assert before > 0
        await api.complete_started(made["running"], 1)
        await expect(page.locator("#now-throughput")).to_contain_text("Completed 2")
        assert await page.evaluate("scrollY") == before
        region = page.get_by_role("region", name="Throughput, numbers")
        await expect(region).to_be_visible()
        await expect(region).to_be_focused()


async def test_rows_do_not_move_under_the_pointer(browser: Browser) -> None:
    """A list waits while the pointer is about to click, and is shown soon afterwards."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    async with window(browser, api) as page:
        await live(page, "/")
        await page.locator("#now-attention li").hover()
        await stall(api, made["failed"], "comes before the other")
        await expect(page.get_by_role("link", name="Need attention")).to_contain_text("2")
        assert await page.locator("#now-attention li").count() == 1
        await page.mouse.move(1, 1)
        await expect(page.locator("#now-attention li").first).to_contain_text("comes before the other")


async def test_health_says_when_a_worker_comes_and_goes(browser: Browser) -> None:
    """Without a worker it names the command to run."""
    api = Api(with_dashboard=True)
    async with window(browser, api) as page:
        await live(page, "/health")
        await expect(page.locator("#health-parts")).to_contain_text("opledger worker")
        api.drift.worker_age = timedelta(seconds=2)
        await expect(page.get_by_text("Everything is up.")).to_be_visible()
        api.drift.worker_age = timedelta(minutes=2)
        await expect(page.get_by_text("Look at: Workers.")).to_be_visible()


async def test_keys_appear_and_a_confirmation_stays_open(browser: Browser) -> None:
    """Another caller creates a key while this one is about to revoke one."""
    api = await busy()
    async with signed_in(browser, api) as page:
        await live(page, "/keys")
        row = page.get_by_role("row").filter(has_text="this session")
        await row.get_by_text("Revoke", exact=True).click()
        await api.manage.create("of-somebody-else", tenant="default", scopes=frozenset({Scope.READ}), life=None)
        await page.mouse.move(1, 1)
        await expect(page.get_by_role("row").filter(has_text="of-somebody-else")).to_be_visible(timeout=30_000)
        await expect(row.get_by_role("button", name="for good")).to_be_visible()
        await row.get_by_role("button", name="for good").click()
        await expect(row).to_contain_text("revoked")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_parts_are_accessible_after_an_update(browser: Browser, theme: Any) -> None:
    """With hostile names in them."""
    api = await busy()
    async with signed_in(browser, api, color_scheme=theme) as page:
        await live(page, "/")
        made = await api.client.post(
            "/v1/operations", json={"type": "order"}, headers={"Authorization": f"Bearer {api.secret}"}
        )
        assert made.status_code == 202, made.text
        await expect(page.locator("#now-stats")).to_contain_text("Accepted8")
        found = await Axe().run(page)
        assert [each["id"] for each in found.response["violations"]] == [], found.generate_report()
