"""The frame of the dashboard in a browser."""

import pytest
from playwright.async_api import Browser, expect

from tests.support.http.api import Api
from tests.support.ui.window import window

pytestmark = pytest.mark.tools


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_switch_changes_the_theme_of_the_page(browser: Browser, theme: str) -> None:
    """Whatever the system has; the style sheet is applied, and the console stays empty."""
    other = "light" if theme == "dark" else "dark"
    async with window(browser, Api(with_dashboard=True), color_scheme=other) as page:
        await page.goto("/")
        background = "getComputedStyle(document.body).backgroundColor"
        before = await page.evaluate(background)
        await page.get_by_role("button", name=f"{theme} theme", exact=False).click()
        await expect(page.locator("html")).to_have_attribute("data-theme", theme)
        assert await page.evaluate(background) != before


async def test_the_first_page_needs_no_script(browser: Browser) -> None:
    """Navigation and content are in the HTML."""
    async with window(browser, Api(with_dashboard=True), java_script_enabled=False) as page:
        await page.goto("/")
        await page.get_by_role("navigation").get_by_role("link", name="Now").click()
        await expect(page.get_by_role("heading", name="Now")).to_be_visible()
