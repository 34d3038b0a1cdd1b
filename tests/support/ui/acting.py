"""Types with forms, and what people do on the pages Start and bulk actions."""

from typing import Any

from playwright.async_api import Page

from domain.operation.operation_type import OperationCatalogue, OperationType
from tests.support.http.api import Api
from tests.support.http.bulk import perform

DEPLOY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "machine": {"type": "string", "title": "Machine", "description": "Name in the inventory", "maxLength": 12},
        "release": {"type": "string", "title": "Release", "pattern": "^v[0-9]+$", "examples": ["v41"]},
        "strategy": {"enum": ["rolling", "blue/green", "all at once"], "default": "rolling", "title": "Strategy"},
        "seconds": {
            "type": "integer",
            "title": "Time limit",
            "description": "Seconds for one machine. The deployment stops behind the first machine that takes longer.",
            "minimum": 10,
            "maximum": 3600,
            "default": 300,
        },
        "drain": {"type": "boolean", "title": "Drain first", "default": True},
        "hooks": {"type": "array", "title": "Hooks", "items": {"type": "object"}, "description": "Run in this order"},
    },
    "required": ["machine", "release"],
    "additionalProperties": False,
}


def forms() -> OperationCatalogue:
    """A type with fields of every kind, one whose input is edited as JSON, and one without a schema."""
    unusual: dict[str, Any] = {"oneOf": [{"required": ["order"]}, {"required": ["customer"]}]}
    types = [
        OperationType("deploy", "Deploy", "machines", "Deploys a release to one machine", input_schema=DEPLOY),
        OperationType("commission", "Commission", "machines", "Prepares a new machine"),
        OperationType("refund", "Refund", "orders", "Pays an order back", input_schema=unusual),
    ]
    return OperationCatalogue({each.name: each for each in types})


async def start_wrong(page: Page) -> None:
    """Sends a form with errors."""
    await page.get_by_label("Machine").fill("a-machine-with-a-long-name")
    await page.get_by_label("Release").fill("41")
    await page.get_by_label("Time limit").fill("soon")
    await page.get_by_label("Hooks").fill('[{"run": drain}]')
    await page.get_by_label("Labels").fill("team=core\nurgent")
    await page.get_by_role("button", name="Start deploy", exact=True).click()
    await page.get_by_role("alert").wait_for()


async def count(page: Page) -> None:
    """Makes a dry run of the cancellation of what the list has."""
    await page.get_by_role("button", name="Act on all").click()
    await page.get_by_role("button", name="Cancel all…").click()
    await page.get_by_role("heading", name="Cancel").wait_for()


async def cancel_all(api: Api) -> str:
    """Cancels all operations with a label, two of which end meanwhile. Returns the id of the bulk action."""
    body = {"filter": {"label": {"wave": "9"}}}
    for _ in range(4):
        await api.start((await api.submit(input={"machine": "m-0417"}, labels={"wave": "9"}))["id"])
    dry = (await api.client.post("/v1/operations:cancel", json={**body, "dry_run": True})).json()
    for each in dry["sample"][-2:]:
        await api.complete_started(each["id"], None)
    request = {**body, "confirm": dry["confirm"], "reason": "wrong release"}
    made = str((await api.client.post("/v1/operations:cancel", json=request)).json()["id"])
    await perform(api, made)
    return made
