"""Texts of others cannot change a page: every field of a ledger is hostile at once."""

import re

import pytest
from playwright.async_api import Browser, Page, expect

from domain.operation.attention import Attention, AttentionKind
from tests.support.ui.hostile import MARKUP, HostileLedger, hostile_ledger, text
from tests.support.ui.scenes import change
from tests.support.ui.window import window

pytestmark = pytest.mark.tools
_TURNED = """() => {
    // Text behind an override, in the same line, that is turned with it: elements have to be isolated.
    const turned = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text; (text = texts.nextNode()); ) {
        if (!text.data.includes("\\u202e") || text.parentElement.closest("svg, title, option, textarea")) continue;
        for (let node = text; ; node = node.parentElement) {
            const style = getComputedStyle(node.parentElement);
            if (/flex|grid/.test(style.display)) break;
            for (let next = node.nextSibling; next; next = next.nextSibling) {
                if (next.nodeType === 1 && !getComputedStyle(next).display.startsWith("inline")) break;
                if (next.textContent.trim()) turned.push(node.parentElement.className + ": " + next.textContent.trim());
            }
            if (style.display !== "inline" || style.unicodeBidi.includes("isolate")) break;
        }
    }
    return turned;
}"""


async def check(page: Page, *fields: str) -> None:
    """Nothing was made of the texts, which are on the page as they are, and the page is not wider than its window."""
    assert await page.locator("x-evil, [data-evil], main img, main script").count() == 0
    shown = await page.locator("main").inner_text()
    assert [field for field in fields if f"{field}:{MARKUP}"[:60] not in shown] == []
    assert await page.evaluate("document.documentElement.scrollWidth") <= 360
    assert await page.evaluate(_TURNED) == []


def pages_of(ledger: HostileLedger) -> dict[str, tuple[str, ...]]:
    """The fields that pages show, by path."""
    return {
        "/": ("type", "attention"),
        "/operations": ("type", "gone", "content", "error", "attention"),
        f"/operations/{ledger.running}": (
            *("type", "actor", "content", "id", "input", "value", "reason"),
            *("progress", "step", "part", "attention"),
        ),
        f"/operations/{ledger.failed}": ("gone", "error", "key", "detail", "line", "author"),
        f"/operations/{ledger.completed}": ("name", "result", "line", "author"),
        f"/operations/{ledger.bulk}": ("actor", "gone"),
        f"/operations/{ledger.bulk}/targets": ("gone",),
        "/types": ("type", "about"),
        "/start": ("type", "about"),
        "/start?from=" + ledger.completed: ("type",),
        "/health": (),
        "/keys": ("tenant",),
    }


async def test_no_page_is_changed_by_the_texts_that_it_shows(browser: Browser) -> None:
    """No script, no element, no dialog, no error in the console, no scrolling sideways; each text is there to read."""
    ledger = await hostile_ledger()
    dialogs: list[str] = []
    async with window(browser, ledger.api, viewport={"width": 360, "height": 800}) as page:
        page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        for path, fields in pages_of(ledger).items():
            await page.goto(path)
            await check(page, *fields)
        await page.goto("/operations")
        await page.locator(".row .chip").first.click()
        await expect(page.get_by_role("link", name="Remove all")).to_be_visible()
        await check(page, "content")
        await page.get_by_role("button", name="Act on all").click()
        await page.get_by_role("button", name="Cancel all…").click()
        await expect(page.get_by_role("heading", name="Cancel 1 operation?")).to_be_visible()
        await check(page, "type", "content", "attention")
        await page.goto("/types")
        await page.get_by_role("link", name=re.compile("^type:")).first.click()
        await expect(page.get_by_role("heading", level=1, name=re.compile("^type:"))).to_be_visible()
        await check(page, "type", "about", "workflow", "queue")
    assert dialogs == []


async def test_no_page_is_changed_by_an_update_with_such_texts(browser: Browser) -> None:
    """A row of the list, a part of Now, and the page of an operation."""
    ledger = await hostile_ledger()
    async with window(browser, ledger.api, viewport={"width": 360, "height": 800}) as page:
        for path in ("/operations", "/", f"/operations/{ledger.running}"):
            await page.goto(path)
            await expect(page.get_by_text("Live", exact=True)).to_be_attached()
            news = Attention(AttentionKind.STALLED, ledger.api.clock.now(), text(f"news{len(path)}"))
            await change(ledger.api, ledger.running, attention=news)
            await expect(page.locator("main").get_by_text(news.message[:40]).first).to_be_attached()
            await check(page, "type", f"news{len(path)}")
