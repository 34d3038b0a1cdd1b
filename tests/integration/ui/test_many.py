"""A ledger of 10,000 operations, on PostgreSQL and in a browser."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from litestar import Litestar
from playwright.async_api import Browser, expect

from benchmarks.data.ledger_rows import connection
from benchmarks.data.rows import EVERY, fill, operation_id
from entrypoints.serve_api import application
from entrypoints.settings.settings import Settings
from entrypoints.wiring.api import api
from tests.support.ui.visitor import forms
from tests.support.ui.weight import MAX_BYTES, weight
from tests.support.ui.window import window
from tests.unit.entrypoints.ui.pages.test_operations import ids

pytestmark = pytest.mark.tools
MANY = 10_000
PAGE = 50
PAGES = ("/", "/?window=week", "/types", "/types/one?name=deploy", "/health", "/keys", "/start", "/start?type=deploy")
TYPES = """
[operations.deploy]
workflow = "Deploy"
task_queue = "queue"

[operations.commission]
workflow = "Commission"
task_queue = "queue"
"""


HISTORY = """
INSERT INTO opledger.transitions (operation_id, sequence, to_status, source, reason, at, details)
SELECT id, 1, 'ACCEPTED', 'CLIENT', 'accepted', accepted_at, '{}' FROM opledger.operations
"""


@dataclass(frozen=True)
class Site:
    """The application of the API process."""

    app: Litestar


@pytest.fixture
async def site(
    database_url: str, tmp_path: Path, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    """With so many operations."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)
    types = tmp_path / "types.toml"
    types.write_text(TYPES)
    await fill(database_url, MANY)
    async with connection(database_url) as ledger:
        await ledger.execute(HISTORY)
    async with api(settings := Settings(database_url=database_url, operations=str(types))) as parts:
        yield Site(application(parts, settings))


@asynccontextmanager
async def client_of(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    """A browser without scripts."""
    transport = httpx.ASGITransport(app=site.app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def test_every_operation_is_on_one_page_and_pages_are_light(site: Site) -> None:
    """In order, with the numbers on the tabs. Pages other than the list do not grow with the operations. The limit is
    for what a first visit transfers, with styles and own scripts."""
    async with client_of(site) as client:
        found: list[str] = []
        path: str | None = "/operations"
        while path is not None:
            answer = await client.get(path)
            assert await weight(client, answer) < MAX_BYTES, path
            found += ids(answer.text)
            following = re.search(r'id="next-page" rel="next" href="([^"]+)"', answer.text)
            path = following and following[1].replace("&amp;", "&")
        assert found == [str(operation_id(number)) for number in range(MANY, 0, -1)]
        assert f'All <span class="number">{MANY:,}</span>' in answer.text
        assert f'Completed <span class="number">{MANY // EVERY:,}</span>' in answer.text
        one = f"/operations/{found[0]}"
        for path in (*PAGES, one, f"{one}/targets", f"/start?from={found[0]}"):
            answer = await client.get(path)
            assert answer.status_code == 200, path
            assert await weight(client, answer) < MAX_BYTES, path
        [form] = [each for each in forms((await client.get("/operations")).text) if each.action.startswith("/bulk/")]
        answer = await client.post("/bulk/cancel", data=form.hidden, headers={"Origin": "http://localhost"})
        assert answer.status_code == 200, answer.text
        assert await weight(client, answer) < MAX_BYTES


async def test_pages_are_turned_and_rows_opened_with_the_keyboard(browser: Browser, site: Site) -> None:
    """`n` and `p` turn pages, `j` selects a row, Enter opens it."""

    def row(place: int) -> str:
        return f"#op-{operation_id(MANY - place)}"

    async with window(browser, site) as page:
        await page.goto("/operations")
        await expect(page.locator(".row")).to_have_count(PAGE)
        for number in (1, 2):
            await page.keyboard.press("n")
            await expect(page.locator(row(number * PAGE))).to_be_visible()
            await expect(page.locator(".row")).to_have_count(PAGE)
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        await expect(page.locator(f"{row(2 * PAGE + 1)} a.row-link")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page).to_have_url(re.compile(f"/operations/{operation_id(MANY - 2 * PAGE - 1)}$"))
        await page.go_back()
        await page.keyboard.press("p")
        await expect(page.locator(row(0))).to_be_visible()


async def test_a_list_of_many_is_live(browser: Browser, site: Site) -> None:
    """A new operation is announced on the first page, and the page Now counts it, without a load of the page."""
    async with window(browser, site) as page, client_of(site) as client:
        await page.goto("/operations?status=ACCEPTED&status=RUNNING")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        made = await client.post("/v1/operations", json={"type": "deploy"})
        assert made.status_code == 202, made.text
        await expect(page.get_by_role("link", name="1 new")).to_be_visible()
        await page.keyboard.press("r")
        await expect(page.locator(f"#op-{made.json()['id']}")).to_be_visible()
        await page.goto("/")
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await client.post("/v1/operations", json={"type": "deploy"})
        await expect(page.locator("#now-stats")).to_contain_text("Accepted2")
