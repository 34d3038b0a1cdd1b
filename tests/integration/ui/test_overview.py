"""The pages Now, Types, Health and Keys in a browser: accessibility, widths, actions, hostile names."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page, expect

from tests.support.http.api import Api
from tests.support.ui.overview import HOSTILE, Busy, busy
from tests.support.ui.window import window

pytestmark = pytest.mark.tools
PAGES = ("/", "/?window=week", "/types", "/types/one?name=deploy&window=hour", "/health", "/keys")


@asynccontextmanager
async def signed_in(browser: Browser, api: Busy, **options: Any) -> AsyncIterator[Page]:
    """A window of the operator."""
    async with window(browser, api, **options) as page:
        await page.goto("/sign-in")
        await page.get_by_label("API key").fill(api.secret)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Now", exact=True)).to_be_visible()
        yield page


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_pages_have_no_accessibility_violation(browser: Browser, theme: Any) -> None:
    """WCAG AA, with hostile names on them, and with the tables of the charts open."""
    async with signed_in(browser, await busy(), color_scheme=theme) as page:
        for path in PAGES:
            await page.goto(path)
            for table in await page.locator("details.chart-table summary").all():
                await table.click()
            found = await Axe().run(page)
            assert [each["id"] for each in found.response["violations"]] == [], (path, found.generate_report())


@pytest.mark.parametrize("width", [360, 1280, 3840])
async def test_pages_do_not_scroll_sideways(browser: Browser, width: int) -> None:
    """At any width, with names that do not break."""
    async with signed_in(browser, await busy(), viewport={"width": width, "height": 900}) as page:
        for path in PAGES:
            await page.goto(path)
            assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


async def test_charts_are_read_without_seeing_them_and_without_scripts(browser: Browser) -> None:
    """An image with a name and a description, and the numbers as a table."""
    async with signed_in(browser, await busy(), java_script_enabled=False) as page:
        chart = page.get_by_role("img", name="Throughput")
        await expect(chart).to_have_accessible_description(re.compile(r"^\d+ operations completed, \d+ failed and "))
        await page.locator("#throughput summary").click()
        table = page.get_by_role("region", name="Throughput, numbers").get_by_role("table")
        await expect(table.get_by_role("row").first).to_have_text("From (UTC)FailedCompletedStarted")
        assert await table.get_by_role("row").count() > 40
        await page.get_by_role("link", name="Week").click()
        await expect(page.get_by_role("heading", name="Throughput, last 7 days")).to_be_visible()


async def test_types_health_and_keys_are_read_without_scripts(browser: Browser) -> None:
    """Each is reached by its link; a type, and its last week, too."""
    async with signed_in(browser, await busy(), java_script_enabled=False) as page:
        for name in ("Types", "Health", "Keys"):
            await page.get_by_role("navigation").get_by_role("link", name=name, exact=True).first.click()
            await expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
            await expect(page.locator("main")).not_to_be_empty()
        await page.goto("/types")
        await page.locator("main").get_by_role("link", name="deploy").first.click()
        await page.get_by_role("link", name="Week").click()
        await expect(page.get_by_role("img", name="Throughput")).to_be_visible()


async def test_bars_are_drawn_in_the_colours_of_the_theme(browser: Browser) -> None:
    """The policy of the page allows no inline style: classes have to do."""
    async with signed_in(browser, await busy(), color_scheme="light") as page:
        fill = "getComputedStyle(document.querySelector('#throughput path.series-failed')).fill"
        light = await page.evaluate(fill)
        await page.emulate_media(color_scheme="dark")
        dark = await page.evaluate(fill)
        assert light == "rgb(179, 38, 30)"
        assert dark not in (light, "rgb(0, 0, 0)", "none")


async def test_a_key_is_created_used_and_revoked(browser: Browser) -> None:
    """Its text is on one page only, and in no address."""
    api = await busy()
    async with signed_in(browser, api) as page:
        await page.goto("/keys")
        await page.get_by_label("Name").fill(HOSTILE)
        await page.get_by_label("Expires after").select_option("1 year")
        await page.get_by_role("button", name="Create", exact=True).click()
        secret = await page.locator(".secret").inner_text()
        assert secret.startswith("opl_")
        assert secret not in page.url
        await page.goto("/keys")
        await expect(page.get_by_text(secret)).to_have_count(0)
        row = page.get_by_role("row").filter(has_text=secret[4:12])
        await row.get_by_text("Revoke", exact=True).click()
        await row.get_by_role("button", name="for good").click()
        await expect(page.get_by_role("row").filter(has_text=secret[4:12])).to_contain_text("revoked")
    [stored] = [key for key in await api.manage.list("default") if key.prefix == secret[4:12]]
    assert stored.revoked_at is not None


async def test_an_empty_ledger_says_what_to_do_next(browser: Browser) -> None:
    """On each page, without violations."""
    async with window(browser, Api(with_dashboard=True)) as page:
        for path in ("/", "/types", "/types/one?name=deploy", "/health", "/keys"):
            await page.goto(path)
            found = await Axe().run(page)
            assert [each["id"] for each in found.response["violations"]] == [], (path, found.generate_report())
        await page.goto("/")
        await expect(page.get_by_role("heading", name="No operations yet")).to_be_visible()
