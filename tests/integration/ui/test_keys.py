"""The keyboard does everything that the mouse does."""

import re

import pytest
from playwright.async_api import Browser, expect

from tests.support.http.api import Api
from tests.support.ui.scenes import furnish
from tests.support.ui.window import window

pytestmark = pytest.mark.tools


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
