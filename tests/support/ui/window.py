"""A window of the browser on a dashboard, which notes what the console and the network report."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from litestar import Litestar
from playwright.async_api import Browser, ConsoleMessage, Page

from entrypoints.http.server.slow_readers import HttpServerProtocol
from tests.support.http.served import served


class Site(Protocol):
    """Has an application with a dashboard."""

    @property
    def app(self) -> Litestar: ...


@asynccontextmanager
async def window(browser: Browser, api: Site, *, expected: Sequence[str] = (), **options: Any) -> AsyncIterator[Page]:
    """A page whose relative URLs are those of the application, until the block ends, as `opened` makes it."""
    async with (
        served(api.app, HttpServerProtocol) as port,
        opened(browser, f"http://127.0.0.1:{port}", expected=expected, **options) as page,
    ):
        yield page


@asynccontextmanager
async def opened(browser: Browser, origin: str, *, expected: Sequence[str] = (), **options: Any) -> AsyncIterator[Page]:
    """A page whose relative URLs are those of the origin, until the block ends. The block fails if a script failed, the
    console got an error, or a request went to another host. `expected`: parts of messages that may come. `options`: of
    the browser's context."""
    context = await browser.new_context(base_url=origin, reduced_motion="reduce", **options)
    wrong: list[str] = []
    try:
        page = await context.new_page()
        page.on("console", lambda message: wrong.extend(_complaint(message)))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(origin) else wrong.append(request.url))
        yield page
    finally:
        await context.close()
    assert [message for message in wrong if not any(part in message for part in expected)] == []


def _complaint(message: ConsoleMessage) -> list[str]:
    return [message.text] if message.type in ("error", "warning") else []
