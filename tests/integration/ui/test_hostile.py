"""Texts of others cannot change a page: every field of a ledger is hostile at once."""

import pytest
from playwright.async_api import Browser, Page, expect

from domain.operation.attention import Attention, AttentionKind
from tests.support.ui.hostile import MARKUP, hostile_ledger, text
from tests.support.ui.scenes import change
from tests.support.ui.window import window

pytestmark = pytest.mark.tools
_TURNED = """() => {
    // Text behind an override, in the same line, that is turned with it: elements have to be isolated.
    const turned = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let text; (text = texts.nextNode()); ) {
        if (!text.data.includes("\\u202e") || text.parentElement.closest("title, option, textarea")) continue;
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
