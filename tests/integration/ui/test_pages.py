"""Each page in both themes and three widths: readable, accessible, and safe with hostile texts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, Page, expect

from domain.access.scope import Scope
from entrypoints.ui.rendering.navigation import SECTIONS
from tests.support.http.access import Guarded
from tests.support.http.api import Api
from tests.support.ui.scenes import furnish, hostile
from tests.support.ui.window import window

pytestmark = pytest.mark.tools

WIDTHS = (360, 1280, 3840)


@dataclass
class Site:
    """A dashboard with something to see, and the paths of its pages."""

    api: Api
    paths: dict[str, str]


async def site() -> Site:
    """Every page."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    paths = {
        "filtered": "/operations?label.team=core&status=RUNNING",
        "nothing": "/operations?label.team=none",
        "missing": "/operations/019b76da-a800-7000-8000-0000000000ff",
        **{section.name: section.path for section in SECTIONS},
        **{name: f"/operations/{operation_id}" for name, operation_id in made.items()},
    }
    return Site(api, paths)


async def violations(page: Page) -> list[str]:
    """What axe finds: rule and elements."""
    found = (await Axe().run(page)).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_pages_are_accessible_at_every_width(browser: Browser, theme: str) -> None:
    """No violation that axe knows of, among them contrast; and no page is wider than its window."""
    pages = await site()
    async with window(browser, pages.api, color_scheme=theme, expected=("404",)) as page:
        for name, path in pages.paths.items():
            for width in WIDTHS:
                await page.set_viewport_size({"width": width, "height": 800})
                await page.goto(path)
                assert await violations(page) == [], (name, width)
                wide = await page.evaluate("document.documentElement.scrollWidth")
                assert wide <= width, (name, width)


async def test_panels_are_accessible(browser: Browser) -> None:
    """Those that confirm an action, and the list of keys."""
    pages = await site()
    async with window(browser, pages.api) as page:
        for path, key in ((pages.paths["running"], "c"), ("/", "?")):
            await page.goto(path)
            await page.keyboard.press(key)
            await expect(page.get_by_role("dialog")).to_be_visible()
            assert await violations(page) == []


@asynccontextmanager
async def signed_in(browser: Browser, api: Guarded, *scopes: Scope) -> AsyncIterator[tuple[Page, str]]:
    """A window in which a new key has signed in, and the key."""
    key = (await api.key("a", *scopes))["Authorization"].removeprefix("Bearer ")
    async with window(browser, api) as page:
        await page.goto("/operations")
        assert await violations(page) == []
        await page.get_by_label("API key").fill(key)
        await page.keyboard.press("Enter")
        await expect(page).to_have_title("Operations · opledger")
        yield page, key


async def test_a_session_begins_and_ends(browser: Browser) -> None:
    """By the forms of the pages; no script sees the cookie."""
    async with signed_in(browser, Guarded(with_dashboard=True)) as (page, key):
        assert await page.evaluate("document.cookie") == ""
        assert key not in await page.content()
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_role("heading", name="Sign in to opledger")).to_be_visible()
        await page.goto("/operations")
        await expect(page.get_by_role("heading", name="Sign in to opledger")).to_be_visible()


async def test_a_key_that_may_only_read_sees_no_actions(browser: Browser) -> None:
    """Neither buttons nor panels."""
    api = Guarded(with_dashboard=True)
    made = (await api.ask("POST", "/v1/operations", await api.key("a"), json={"type": "deploy"})).json()["id"]
    async with signed_in(browser, api, Scope.READ) as (page, _):
        await page.goto(f"/operations/{made}")
        await expect(page.get_by_role("heading", name="Accepted deploy")).to_be_visible()
        assert await page.locator("main form").count() == 0


async def test_hostile_texts_run_nothing(browser: Browser) -> None:
    """In the list, on the page of the operation, and as an update of either."""
    api = Api(with_dashboard=True)
    await furnish(api)
    made = await hostile(api)
    async with window(browser, api) as page:
        await page.goto("/operations")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await api.client.post(f"/v1/operations/{made}/keep", json={"keep": True})
        await expect(page.locator(f"#op-{made}.changed")).to_contain_text("<script>alert(1)</script>")
        assert await violations(page) == []
        await page.goto(f"/operations/{made}")
        await expect(page.get_by_role("heading", name="Stalled")).to_be_visible()
        assert await page.locator("main script, main img").count() == 0
        assert await violations(page) == []


async def test_pages_are_read_without_scripts(browser: Browser) -> None:
    """List, filters, tabs, and the page of an operation."""
    pages = await site()
    async with window(browser, pages.api, java_script_enabled=False) as page:
        await page.goto("/operations")
        await page.get_by_role("link", name="Failed").click()
        await expect(page.locator(".row")).to_have_count(1)
        await page.get_by_role("link", name="reboot").click()
        await expect(page.get_by_role("heading", name="TERMINATED")).to_be_visible()
        await expect(page.locator("#input")).to_contain_text("m-0032")
        await page.goto("/operations")
        await page.get_by_role("searchbox").fill("team=edge")
        await page.get_by_role("button", name="Filter").click()
        await expect(page.locator(".row")).to_have_count(1)


async def test_input_and_commands_are_copied(browser: Browser) -> None:
    """As they are shown."""
    pages = await site()
    async with window(browser, pages.api, permissions=["clipboard-read", "clipboard-write"]) as page:
        await page.goto(pages.paths["failed"])
        for button, text in (("Copy input", '"machine": "m-0032"'), ("Copy for CLI", "opledger get ")):
            await page.get_by_role("button", name=button).click()
            await expect(page.locator(".copy.copied").filter(visible=True).first).to_be_visible()
            assert text in await page.evaluate("navigator.clipboard.readText()")
