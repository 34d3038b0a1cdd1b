"""Debian's Chromium, driven by playwright, for tests of what pages look like and do."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, async_playwright

PROGRAM = "/usr/bin/chromium"
_MISSING = f"tests of the dashboard in a browser need {PROGRAM}: apt-get install chromium"
_FLAGS = (
    "--no-sandbox",  # as root, in containers
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser without a window. Fails the test where it is missing."""
    if shutil.which(PROGRAM) is None:
        pytest.fail(_MISSING)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=PROGRAM, args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()
