"""Bulk actions in a browser: from the filters of the list to what became of each operation."""

import re

import pytest
from playwright.async_api import Browser, expect

from domain.access.scope import Scope
from tests.integration.ui.test_pages import WIDTHS, signed_in, violations
from tests.support.http.access import Guarded
from tests.support.http.api import Api
from tests.support.http.bulk import perform, performing
from tests.support.ui.acting import cancel_all
from tests.support.ui.scenes import HOSTILE, furnish, hostile
from tests.support.ui.window import window

pytestmark = pytest.mark.tools


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_pages_are_accessible_at_every_width(browser: Browser, theme: str) -> None:
    """The panel, the dry run, refusals, the bulk action and its targets; no page is wider than its window."""
    api = Api(with_dashboard=True)
    await furnish(api)
    made = await cancel_all(api)
    async with window(browser, api, color_scheme=theme, expected=("422",)) as page:

        async def check(name: str, width: int) -> None:
            assert await violations(page) == [], (name, width)
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)

        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 800})
            for path in (
                f"/operations/{made}",
                f"/operations/{made}/targets",
                f"/operations/{made}/targets?outcome=FAILED",
            ):
                await page.goto(path)
                await check(path, width)
            await page.goto("/operations?status=FAILED")
            await page.get_by_role("button", name="Act on all").click()
            await check("panel", width)
            await page.get_by_role("button", name="Acknowledge all…").click()
            await expect(page.get_by_role("heading", name="No operation to acknowledge")).to_be_visible()
            await check("nothing", width)
            await page.goto("/operations")
            await page.get_by_role("button", name="Act on all").click()
            await page.get_by_role("button", name="Cancel all…").click()
            await expect(page.get_by_role("heading", name=re.compile(r"Cancel \d+ operations\?"))).to_be_visible()
            await check("dry run", width)
            await page.locator("input[name=confirm]").evaluate("element => { element.value = 'x' }")
            await page.get_by_role("button", name=re.compile("^Cancel")).click()
            await expect(page.get_by_role("heading", name="Nothing was changed")).to_be_visible()
            await check("refused", width)


@pytest.mark.parametrize("scripts", [True, False])
async def test_operations_are_cancelled_by_keys(browser: Browser, scripts: bool) -> None:
    """Filter, panel, dry run, reason, confirmation; then progress, and the targets."""
    api = Api(with_dashboard=True, actor="ops")
    made = [(await api.submit(labels={"wave": "9"}))["id"] for _ in range(3)]
    await api.submit()
    async with window(browser, api, java_script_enabled=scripts) as page:
        await page.goto("/operations?label.wave=9")
        await page.get_by_role("button", name="Act on all").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("button", name="Cancel all…")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Cancel 3 operations?")).to_be_visible()
        await expect(page.locator(".row")).to_have_count(3)
        await page.get_by_label("Reason").focus()
        await page.keyboard.type("wrong release")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Accepted opledger.cancel")).to_be_visible()
        await perform(api, page.url.rsplit("/", 1)[1])
        if not scripts:
            await page.reload()
        await expect(page.get_by_role("heading", name="Completed opledger.cancel")).to_be_visible()
        await page.get_by_role("link", name="All targets").click()
        rows = page.get_by_role("row").filter(has_text="Done")
        await expect(rows).to_have_count(3)
        await rows.first.get_by_role("link").click()
        await expect(page).to_have_url(re.compile(f"/operations/({'|'.join(made)})$"))
        await expect(page.get_by_text("wrong release").first).to_be_visible()


async def test_a_double_click_confirms_once(browser: Browser) -> None:
    """The dry run has one token, which makes one operation."""
    api = Api(with_dashboard=True)
    await api.submit()
    async with window(browser, api) as page:
        await page.goto("/operations")
        await page.get_by_role("button", name="Act on all").click()
        await page.get_by_role("button", name="Cancel all…").click()
        await page.get_by_role("button", name="Cancel 1 operation").dblclick()
        await expect(page.get_by_role("heading", name="opledger.cancel")).to_be_visible()
    items = (await api.client.get("/v1/operations?type=opledger.cancel")).json()["items"]
    assert len(items) == 1


async def test_a_key_that_may_only_read_is_offered_nothing(browser: Browser) -> None:
    """The list has no button; what others did is there to read."""
    api = Guarded(with_dashboard=True)
    await api.ask("POST", "/v1/operations", await api.key("a"), json={"type": "deploy"})
    async with signed_in(browser, api, Scope.READ) as (page, _):
        await expect(page.locator(".row")).to_have_count(1)
        await expect(page.get_by_role("button", name="Act on all")).to_have_count(0)


async def test_two_tenants_act_on_their_own(browser: Browser) -> None:
    """Each sees and cancels its own operations only."""
    api = Guarded(with_dashboard=True)
    other = await api.key("b", name="other")
    for _ in range(2):
        await api.ask("POST", "/v1/operations", other, json={"type": "deploy"})
    await api.ask("POST", "/v1/operations", await api.key("a"), json={"type": "deploy"})
    async with signed_in(browser, api) as (page, _):
        await page.get_by_role("button", name="Act on all").click()
        await page.get_by_role("button", name="Cancel all…").click()
        await expect(page.get_by_role("heading", name="Cancel 1 operation?")).to_be_visible()
        await expect(page.get_by_text("all operations of the tenant a to which")).to_be_visible()
        await page.get_by_role("button", name="Cancel 1 operation").click()
        await perform(api, page.url.rsplit("/", 1)[1])
    theirs = (await api.ask("GET", "/v1/operations", other)).json()["items"]
    assert [each["status"] for each in theirs] == ["ACCEPTED", "ACCEPTED"]


async def test_hostile_texts_run_nothing(browser: Browser) -> None:
    """In the filter, the sample, the reason and the targets."""
    api = Api(with_dashboard=True)
    await hostile(api)
    async with window(browser, api) as page:
        await page.goto("/operations")
        await page.locator(".row .chip").first.click()
        await expect(page.get_by_role("link", name="Remove all")).to_be_visible()
        await page.get_by_role("button", name="Act on all").click()
        await page.get_by_role("button", name="Acknowledge all…").click()
        await expect(page.get_by_role("heading", name="Acknowledge 1 operation?")).to_be_visible()
        assert await violations(page) == []
        await page.get_by_label("Reason").fill(HOSTILE)
        await page.get_by_role("button", name="Acknowledge 1 operation").click()
        async with performing(api):
            await expect(page.get_by_role("heading", name="Completed opledger.acknowledge")).to_be_visible()
        assert await page.locator("main script, main img").count() == 0
        assert await violations(page) == []
