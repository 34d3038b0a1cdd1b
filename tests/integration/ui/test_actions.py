"""Every action of the dashboard, pressed once: what the ledger says afterwards, with the name of the caller."""

import re
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.support.http.api import Api
from tests.support.http.bulk import performing
from tests.support.ui.scenes import furnish
from tests.support.ui.window import window

pytestmark = pytest.mark.tools


async def operation(api: Api, operation_id: str) -> dict[str, Any]:
    """The operation, as clients see it."""
    found: dict[str, Any] = (await api.client.get(f"/v1/operations/{operation_id}")).json()
    return found


async def last_line(api: Api, operation_id: str) -> tuple[str, str]:
    """Reason and actor of the last line of its history."""
    line = (await api.client.get(f"/v1/operations/{operation_id}/transitions")).json()["items"][-1]
    return line["reason"], line["actor"]


async def press(page: Page, name: str, confirm: str | None = None, reason: str | None = None) -> None:
    """Presses a button. If it opens a panel: gives the reason, and confirms."""
    await page.get_by_role("button", name=name, exact=True).first.click()
    panel = page.get_by_role("dialog")
    if reason is not None:
        await panel.get_by_label("Reason, for the history").fill(reason)
    if confirm is not None:
        async with page.expect_navigation():
            await panel.get_by_role("button", name=confirm, exact=True).click()


async def test_every_action_on_one_operation(browser: Browser) -> None:
    """Keep, acknowledge, terminate, retry and delete, by their buttons."""
    api = Api(with_dashboard=True, actor="ops")
    made = await furnish(api)
    async with window(browser, api) as page:
        await page.goto(f"/operations/{made['stuck']}")
        await press(page, "Keep")
        await expect(page.get_by_role("button", name="Kept")).to_be_visible()
        assert (await operation(api, made["stuck"]))["keep"] is True
        await press(page, "Acknowledge", "Acknowledge", "seen by us")
        assert (await operation(api, made["stuck"]))["attention"] is None
        reason, actor = await last_line(api, made["stuck"])
        assert ("seen by us" in reason, actor) == (True, "ops")

        await page.goto(f"/operations/{made['running']}")
        await page.get_by_role("button", name="Cancel", exact=True).click()
        await page.get_by_role("checkbox", name="Terminate").check()
        await page.get_by_label("Reason, for the history").fill("too late")
        await page.get_by_role("button", name="Request cancellation").click()
        await expect(page.get_by_role("heading", name="Termination requested")).to_be_visible()
        request = (await operation(api, made["running"]))["cancel_requested"]
        assert (request["force"], request["reason"], request["by"]) == (True, "too late", "ops")
        reason, actor = await last_line(api, made["running"])
        assert ("too late" in reason, actor) == (True, "ops")

        await page.goto(f"/operations/{made['failed']}")
        await press(page, "Retry", "Retry")
        await expect(page.get_by_role("heading", name="Accepted reboot")).to_be_visible()
        new = page.url.rsplit("/", 1)[1]
        assert (await operation(api, new))["retry_of"] == made["failed"]
        assert (await last_line(api, new))[1] == "ops"
        assert (await operation(api, made["failed"]))["retried_by"] == new

        await page.goto(f"/operations/{made['failed']}")
        await press(page, "Delete", "Delete")
        await expect(page).to_have_title("Operations · opledger")
        assert (await api.client.get(f"/v1/operations/{made['failed']}")).status_code == 404


async def test_a_list_is_retried_and_then_deleted(browser: Browser) -> None:
    """Each failed operation has a retry of the caller; then the failed ones are gone, and nothing else is."""
    api = Api(with_dashboard=True, actor="ops")
    made = await furnish(api)
    async with window(browser, api) as page, performing(api):
        for verb in ("Retry", "Delete"):
            await page.goto("/operations?status=FAILED")
            await page.get_by_role("button", name="Act on all").click()
            await page.get_by_role("button", name=f"{verb} all…").click()
            await page.get_by_label("Reason").fill("after the repair")
            await page.get_by_role("button", name=f"{verb} 1 operation").click()
            await expect(page.get_by_role("heading", name=f"Completed opledger.{verb.lower()}")).to_be_visible()
            bulk = page.url.rsplit("/", 1)[1]
            first = (await api.client.get(f"/v1/operations/{bulk}/transitions")).json()["items"][0]
            assert first["actor"] == "ops"
            if verb == "Retry":
                new = (await operation(api, made["failed"]))["retried_by"]
                assert (await operation(api, new))["retry_of"] == made["failed"]
                assert (await last_line(api, new))[1] == "ops"
    assert (await api.client.get(f"/v1/operations/{made['failed']}")).status_code == 404
    assert (await operation(api, made["completed"]))["status"] == "COMPLETED"


async def test_the_command_for_curl_is_copied_and_works(browser: Browser) -> None:
    """It names the address of the API and the operation."""
    api = Api(with_dashboard=True)
    made = await furnish(api)
    async with window(browser, api, permissions=["clipboard-read", "clipboard-write"]) as page:
        await page.goto(f"/operations/{made['failed']}")
        await page.get_by_role("button", name="Copy for curl").click()
        await expect(page.locator(".copy.copied").filter(visible=True).first).to_be_visible()
        copied = await page.evaluate("navigator.clipboard.readText()")
        address = re.search(r"https?://\S+", copied)
        assert address is not None, copied
        answer = await page.request.get(address[0].strip("'\""))
        assert (await answer.json())["id"] == made["failed"]
