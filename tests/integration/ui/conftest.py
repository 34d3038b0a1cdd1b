"""Fixtures of the tests in a browser."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.support.eventually import TIMEOUT
from tests.support.ui.chromium import chromium


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests. Each test opens its own window in it, with its own cookies."""
    expect.set_options(timeout=TIMEOUT * 1000)  # milliseconds; the default of 5 s is short for a busy machine
    async with chromium() as launched:
        yield launched
