"""The page Start in a browser: by keys, without scripts, at every width, with hostile schemas."""

import re
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from domain.access.scope import Scope
from domain.operation.operation_type import OperationCatalogue, OperationType
from tests.integration.ui.test_pages import WIDTHS, signed_in, violations
from tests.support.http.access import Guarded, bearer
from tests.support.http.api import Api
from tests.support.ui.acting import forms, start_wrong
from tests.support.ui.scenes import HOSTILE
from tests.support.ui.window import window

pytestmark = pytest.mark.tools


def starting() -> Api:
    """Types with fields of every kind."""
    return Api(with_dashboard=True, actor="ops", catalogue=forms())


async def operations(api: Api) -> list[dict[str, Any]]:
    """All operations."""
    items: list[dict[str, Any]] = (await api.client.get("/v1/operations")).json()["items"]
    return items


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_pages_are_accessible_at_every_width(browser: Browser, theme: str) -> None:
    """Types, form, JSON, and errors; no page is wider than its window."""
    paths = ("/start", "/start?type=deploy", "/start?type=refund", "/start?type=commission", "/start?type=nope")
    async with window(browser, starting(), color_scheme=theme, expected=("404", "422")) as page:
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 800})
            for path in (*paths, "wrong"):
                if path == "wrong":
                    await page.goto("/start?type=deploy")
                    await start_wrong(page)
                else:
                    await page.goto(path)
                assert await violations(page) == [], (path, width)
                assert await page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)


async def by_keys(page: Page, label: str, text: str) -> None:
    """Moves to a field with the Tab key, and types."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        if await page.get_by_label(label).evaluate("element => element === document.activeElement"):
            await page.keyboard.type(text)
            return
    pytest.fail(f"the Tab key does not reach {label}")


@pytest.mark.parametrize("scripts", [True, False])
async def test_an_operation_is_started_by_keys(browser: Browser, scripts: bool) -> None:
    """From the navigation to its page; Enter in a field starts."""
    api = starting()
    async with window(browser, api, java_script_enabled=scripts) as page:
        await page.goto("/")
        await page.get_by_role("navigation").get_by_role("link", name="Start").press("Enter")
        await page.get_by_role("link", name="deploy").press("Enter")
        await expect(page.get_by_role("heading", name="Start deploy")).to_be_visible()
        await by_keys(page, "Machine", "m-0417")
        await by_keys(page, "Release", "v41")
        await page.get_by_label("Drain first").select_option("No")
        await page.get_by_label("Hooks").fill('[{"run": "drain"}]')
        await page.get_by_label("Labels").fill("team=core")
        await page.get_by_label("Start after").focus()
        await page.keyboard.type("1h30m")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="Accepted deploy")).to_be_visible()
    [operation] = await operations(api)
    assert operation["input"] == {
        "machine": "m-0417",
        "release": "v41",
        "strategy": "rolling",
        "seconds": 300,
        "drain": False,
        "hooks": [{"run": "drain"}],
    }
    assert (operation["labels"], operation["start_at"]) == ({"team": "core"}, "2026-01-01T01:30:00Z")


@pytest.mark.parametrize("scripts", [True, False])
async def test_errors_are_found_and_corrected(browser: Browser, scripts: bool) -> None:
    """Each at its field, to which the list of errors links; nothing that was typed is lost."""
    api = starting()
    async with window(browser, api, java_script_enabled=scripts, expected=("422",)) as page:
        await page.goto("/start?type=deploy")
        key = await page.get_by_label("Idempotency key").input_value()
        await start_wrong(page)
        seconds = page.get_by_label("Time limit")
        await expect(seconds).to_have_accessible_description(
            re.compile("input.seconds must be of type integer /input/seconds")
        )
        await page.get_by_role("alert").get_by_role("link", name="input.seconds").click()
        await expect(page).to_have_url(re.compile("#field-4$"))
        for label, before, after in (
            ("Machine", "a-machine-with-a-long-name", "m-0417"),
            ("Release", "41", "v41"),
            ("Time limit", "soon", "60"),
            ("Hooks", '[{"run": drain}]', "[]"),
            ("Labels", "team=core\nurgent", "team=core\nurgent=yes"),
        ):
            await expect(page.get_by_label(label)).to_have_value(before)
            await page.get_by_label(label).fill(after)
        await expect(page.get_by_label("Idempotency key")).to_have_value(key)
        await page.get_by_role("button", name="Start deploy", exact=True).click()
        await expect(page.get_by_role("heading", name="Accepted deploy")).to_be_visible()
    assert len(await operations(api)) == 1


async def test_a_start_time_is_chosen_in_utc(browser: Browser) -> None:
    """Whatever zone the browser is in; it is there again after an error."""
    api = starting()
    async with window(browser, api, timezone_id="Asia/Kolkata", expected=("422",)) as page:
        await page.goto("/start?type=commission")
        await page.get_by_label("Or start at").fill("2026-01-02T06:00")
        await page.get_by_label("JSON").fill("{")
        await page.get_by_role("button", name="Start commission", exact=True).click()
        await expect(page.get_by_label("Or start at")).to_have_value("2026-01-02T06:00")
        await page.get_by_label("JSON").fill("{}")
        await page.get_by_role("button", name="Start commission", exact=True).click()
        await expect(page.get_by_role("heading", name="Accepted commission")).to_be_visible()
    [operation] = await operations(api)
    assert operation["start_at"] == "2026-01-02T06:00:00Z"


@pytest.mark.parametrize("scripts", [True, False])
async def test_the_input_is_edited_as_json_and_in_fields(browser: Browser, scripts: bool) -> None:
    """To and fro, also while required fields are empty."""
    api = starting()
    async with window(browser, api, java_script_enabled=scripts) as page:
        await page.goto("/start?type=deploy")
        await page.get_by_label("Labels").fill("team=core")
        await page.get_by_role("button", name="Edit as JSON").click()
        await expect(page.get_by_label("JSON")).to_have_value(re.compile('"strategy": "rolling"'))
        await page.get_by_label("JSON").fill('{"machine": "<m>", "release": "v\\"41"}')
        await page.get_by_role("button", name="Edit in fields").click()
        await expect(page.get_by_label("Machine")).to_have_value("<m>")
        await expect(page.get_by_label("Release")).to_have_value('v"41')
        await expect(page.get_by_label("Labels")).to_have_value("team=core")
    assert await operations(api) == []


async def test_two_clicks_start_one_operation(browser: Browser) -> None:
    """The second one is sent before the first one is answered."""
    api = starting()
    async with window(browser, api) as page:
        await page.goto("/start?type=commission")
        await page.get_by_role("button", name="Start commission", exact=True).dblclick()
        await expect(page.get_by_role("heading", name="Accepted commission")).to_be_visible()
        await page.go_back()
        await expect(page.get_by_role("heading", name="Start commission")).to_be_visible()
    assert len(await operations(api)) == 1


async def test_an_operation_is_started_again(browser: Browser) -> None:
    """From its page, with its input and its labels."""
    api = starting()
    made = await api.submit(input={"machine": "m-1", "release": "v1"}, labels={"team": "core"})
    async with window(browser, api) as page:
        await page.goto(f"/operations/{made['id']}")
        await page.get_by_role("link", name="Start again").click()
        await page.get_by_label("Release").fill("v2")
        await page.get_by_role("button", name="Start deploy", exact=True).click()
        await expect(page.get_by_role("heading", name="Accepted deploy")).to_be_visible()
    second = (await operations(api))[0]
    assert (second["input"], second["labels"]) == ({"machine": "m-1", "release": "v2"}, {"team": "core"})


async def test_a_key_that_may_only_read_cannot_start(browser: Browser) -> None:
    """There is no link, and the page says what is missing."""
    api = Guarded(with_dashboard=True, catalogue=forms())
    async with signed_in(browser, api, Scope.READ) as (page, _):
        for path in ("/operations", "/types", "/types/one?name=deploy"):
            await page.goto(path)
            await expect(page.get_by_role("link", name="Start")).to_have_count(0)


async def test_hostile_schemas_run_nothing(browser: Browser) -> None:
    """Names, titles, descriptions, defaults, choices and examples; typed back into each field."""
    schema: dict[str, Any] = {
        "properties": {
            HOSTILE: {"type": "string", "title": HOSTILE, "description": HOSTILE, "default": HOSTILE},
            "choice": {"enum": [HOSTILE, HOSTILE + "2"]},
            "list": {"type": "array", "default": [HOSTILE], "examples": [[HOSTILE]]},
        }
    }
    declared = OperationType(HOSTILE, "Hostile", "q", HOSTILE, input_schema=schema)
    api = Api(with_dashboard=True, catalogue=OperationCatalogue({HOSTILE: declared}))
    async with window(browser, api) as page:
        await page.goto("/start")
        assert await violations(page) == []
        await page.get_by_role("link", name="</pre>").click()
        await page.get_by_label("choice").select_option(HOSTILE)
        assert await violations(page) == []
        assert await page.locator("main script, main img").count() == 0
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        await page.get_by_role("button", name="Edit as JSON").click()
        await page.get_by_role("button", name="Edit in fields").click()
        await page.locator(".start-buttons button").click()
        await expect(page.get_by_role("heading", name="Accepted")).to_be_visible()
        assert await page.locator("main script, main img").count() == 0
    [operation] = await operations(api)
    assert operation["input"] == {HOSTILE: HOSTILE, "choice": HOSTILE, "list": [HOSTILE]}


@pytest.mark.parametrize("scripts", [True, False])
async def test_a_form_outlives_its_session(browser: Browser, scripts: bool) -> None:
    """Sign in again in another tab, load the page again: what was typed is sent, once."""
    api = Guarded(with_dashboard=True, catalogue=forms())
    key = (await api.key("a"))["Authorization"].removeprefix("Bearer ")
    async with window(browser, api, expected=("401",), java_script_enabled=scripts) as page:
        await page.goto("/start?type=deploy")
        await page.get_by_label("API key").fill(key)
        await page.keyboard.press("Enter")
        await page.get_by_label("Machine").fill("m-0417")
        await page.get_by_label("Release").fill("v41")
        await page.get_by_label("Drain first").select_option("No")
        await page.context.clear_cookies()
        await page.get_by_role("button", name="Start deploy").click()
        await expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
        if scripts:
            assert await violations(page) == []
        async with page.context.expect_page() as opening:
            await page.get_by_role("link", name="Sign in, in another tab").click()
        other = await opening.value
        await other.get_by_label("API key").fill(key)
        await other.keyboard.press("Enter")
        await expect(other.get_by_role("heading", name="Start deploy")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("heading", name="Accepted deploy")).to_be_visible()
    [made] = (await api.ask("GET", "/v1/operations", bearer(key))).json()["items"]
    assert made["input"]["machine"] == "m-0417"
