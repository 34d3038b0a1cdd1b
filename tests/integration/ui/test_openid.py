"""Sign-in by OpenID Connect in a browser, as the container wires it, on a real database."""

from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from entrypoints.http.server.slow_readers import HttpServerProtocol
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.serve_api import application
from entrypoints.settings.settings import Settings
from entrypoints.wiring.api import api
from tests.integration.ui.test_pages import WIDTHS, violations
from tests.support.http.openid_provider import openid_provider, openid_settings
from tests.support.http.served import served
from tests.support.ui.window import opened, window
from tests.unit.entrypoints.ui.pages.access.test_openid import Service

pytestmark = pytest.mark.tools


async def test_a_person_signs_in_and_out(browser: Browser, database_url: str, tmp_path: Path) -> None:
    """From a filtered list to the provider and back, under the policy of the pages and the rules for cookies. The
    secret is in a file. The provider's page has another origin, so the first request comes back without the session."""
    async with openid_provider() as provider:
        provider.interactive, provider.scope = True, "read"
        (tmp_path / "secret").write_text(str(provider.secret))
        given = openid_settings(provider) | {
            "oidc_client_secret": None,
            "oidc_client_secret_file": str(tmp_path / "secret"),
        }
        settings = Settings(database_url=database_url, operations=str(DEMO_TYPES), **given)
        async with api(settings) as parts, served(application(parts, settings), HttpServerProtocol) as port:
            origin = f"http://localhost:{port}"  # another site than that of the provider, which is at 127.0.0.1
            async with opened(browser, origin, expected=[provider.issuer]) as page:
                await page.goto("/operations?status=FAILED")
                await page.get_by_role("link", name="Sign in with 127.0.0.1").click()
                await page.get_by_role("link", name="Continue as alice").click()
                await expect(page).to_have_url(f"{origin}/operations?status=FAILED")
                await expect(page.get_by_text("Signed in as alice")).to_be_visible()
                await page.reload()
                await expect(page.get_by_role("heading", name="Operations")).to_be_visible()
                await page.get_by_role("button", name="Sign out").click()
                await page.get_by_role("link", name="to use another account").click()
                await expect(page).to_have_url(f"{origin}/sign-in")
                await page.goto("/operations")
                await expect(page.get_by_role("link", name="Sign in with 127.0.0.1")).to_be_visible()


async def test_a_provider_that_is_down_gives_a_page(browser: Browser, database_url: str) -> None:
    """The page has a button to try again."""
    async with openid_provider() as provider:
        settings = Settings(database_url=database_url, operations=str(DEMO_TYPES), **openid_settings(provider))
    async with (
        api(settings) as parts,
        served(application(parts, settings), HttpServerProtocol) as port,
        opened(browser, f"http://localhost:{port}", expected=["503"]) as page,
    ):
        await page.goto("/sign-in")
        await page.get_by_role("link", name="Sign in with 127.0.0.1").click()
        await expect(page.get_by_role("alert")).to_contain_text("The identity provider cannot be reached")
        await expect(page.get_by_role("link", name="Try again with 127.0.0.1")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_pages_are_accessible_at_every_width(browser: Browser, theme: str) -> None:
    """Each form of the page for signing in, a refusal, and addresses without a page."""
    async with openid_provider() as provider:
        both = Service(provider, keys=True, settings={"access": "keys,jwt"}).api
        places = [(both, "/sign-in"), (both, "/sign-in/callback?state=x"), (both, "/operatons")]
        places += [(Service(provider).api, "/sign-in"), (Service(provider, sign_in=None).api, "/sign-in")]
        for service, path in places:
            async with window(browser, service, color_scheme=theme, expected=["401", "404"]) as page:
                for width in WIDTHS:
                    await page.set_viewport_size({"width": width, "height": 800})
                    await page.goto(path)
                    assert await violations(page) == [], (path, width)
                    assert await page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
