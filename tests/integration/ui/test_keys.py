"""The keyboard does everything that the mouse does."""

import re

import pytest
from playwright.async_api import Browser, expect

from domain.operation.attention import Attention, AttentionKind
from tests.support.http.api import Api
from tests.support.ui.acting import cancel_all
from tests.support.ui.scenes import change, furnish
from tests.support.ui.window import window

pytestmark = pytest.mark.tools
MISSING = "/operations/019b76da-a800-7000-8000-0000000000ff"


async def test_operations_are_found_and_opened_by_keys(browser: Browser) -> None:
    """j and k move, Enter opens, and the browser goes back."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    async with window(browser, api) as page:
        await page.goto("/operations")
        for key in ("j", "j", "j", "k"):
            await page.keyboard.press(key)
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(f"/operations/{made['child']}$"))
        await page.go_back()
        await expect(page.locator(".row")).to_have_count(6)


async def test_the_slash_searches(browser: Browser) -> None:
    """By an id, a label, or a workflow id; keys that are typed move nothing."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    async with window(browser, api) as page:
        await page.goto("/operations")
        await page.keyboard.press("/")
        await page.keyboard.type("team=edge")
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(r"/operations\?label\.team=edge$"))
        await expect(page.locator(".row")).to_have_count(1)
        await page.keyboard.press("/")
        await page.keyboard.type(made["running"])
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(f"/operations/{made['running']}$"))


async def test_the_slash_searches_from_every_page(browser: Browser) -> None:
    """It opens the list with the search focused, and leaves the other keys to it."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    pages = ("/", "/types", "/types/one?name=deploy", "/start", "/start?type=deploy", "/health", "/keys")
    async with window(browser, api, expected=("404",)) as page:
        for path in (*pages, f"/operations/{made['running']}", f"/operations/{made['running']}/targets", MISSING):
            await page.goto(path)
            await page.keyboard.press("/")
            await expect(page.get_by_role("searchbox")).to_be_focused()
            await expect(page).to_have_title("Operations · opledger")
        await page.keyboard.type("team=edge")
        await page.keyboard.press("Enter")
        await expect(page.locator(".row")).to_have_count(1)


async def test_every_list_is_read_and_opened_by_keys(browser: Browser) -> None:
    """What needs attention on Now, types, types to start, and the targets of a bulk action. c cancels operations."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    for name in ("running", "accepted"):
        attention = Attention(AttentionKind.STALLED, api.clock.now(), "a list of three")
        await change(api, made[name], attention=attention)
    bulk = await cancel_all(api)
    async with window(browser, api) as page:
        for path, links in (
            ("/", page.locator("#now-attention li a")),
            ("/types", page.locator("#types th a")),
            ("/start", page.locator(".type-list a")),
            (f"/operations/{bulk}", page.locator(".targets th a")),
            (f"/operations/{bulk}/targets", page.locator(".targets th a")),
        ):
            await page.goto(path)
            for key, place in (("j", 0), ("j", 1), ("k", 0), ("k", 0), ("j", 1)):
                await page.keyboard.press(key)
                await expect(links.nth(place)).to_be_focused()
            target = await links.nth(1).get_attribute("href") or ""
            await page.keyboard.press("Enter")
            await expect(page).to_have_url(re.compile(f"{re.escape(target)}$"))
        await page.goto("/types")
        await page.keyboard.press("j")
        await page.keyboard.press("c")
        await expect(page.locator("#types th a").first).to_be_focused()
        await page.goto("/")
        await page.keyboard.press("j")
        await page.keyboard.press("c")
        await expect(page.get_by_role("dialog", name="Cancel?")).to_be_visible()


async def test_c_cancels_the_operation_that_has_the_focus(browser: Browser) -> None:
    """Not the one that j has selected before."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    async with window(browser, api) as page:
        await page.goto("/operations?type=deploy")
        await page.keyboard.press("j")
        await page.locator(f"#op-{made['running']} .row-link").focus()
        await page.keyboard.press("c")
        await expect(page).to_have_url(re.compile(f"/operations/{made['running']}#do-cancel$"))


async def test_an_update_does_not_lose_the_selected_operation(browser: Browser) -> None:
    """Its row is replaced while the caller reads it, and j goes on from there."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    async with window(browser, api) as page:
        await page.goto("/operations?type=deploy")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await page.keyboard.press("j")
        await api.start(made["accepted"])
        await expect(page.locator(f"#op-{made['accepted']}")).to_contain_text("Running")
        await expect(page.locator(f"#op-{made['accepted']} .row-link")).to_be_focused()
        await page.keyboard.press("j")
        await expect(page.locator(f"#op-{made['running']} .row-link")).to_be_focused()


async def test_an_operation_is_cancelled_by_keys(browser: Browser) -> None:
    """From the list: c asks for a reason, Enter confirms."""
    api = Api(with_dashboard=True, actor="ops")
    made = await furnish(api)
    async with window(browser, api) as page:
        await page.goto("/operations?status=RUNNING")
        await page.keyboard.press("j")
        await page.keyboard.press("c")
        await page.get_by_label("Reason, for the history").fill("by keys")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Cancellation requested")).to_be_visible()
        lines = (await api.client.get(f"/v1/operations/{made['running']}/transitions")).json()["items"]
        assert (lines[-1]["reason"], lines[-1]["actor"]) == ("cancellation requested: by keys", "ops")


async def test_the_question_mark_lists_the_keys(browser: Browser) -> None:
    """Escape closes the list."""
    async with window(browser, Api(with_dashboard=True)) as page:
        await page.goto("/")
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
