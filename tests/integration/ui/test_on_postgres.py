"""The pages on PostgreSQL, whose rows have JSON as text, as the container wires them."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from domain.access.scope import ALL_SCOPES
from entrypoints.http.app import create_app
from entrypoints.settings.settings import Settings
from entrypoints.ui.dashboard import dashboard
from entrypoints.ui.request import Temporal
from entrypoints.wiring.api import ApiParts, api
from entrypoints.wiring.database import api_keys
from tests.support.http.access import bearer
from tests.support.ui.visitor import forms
from tests.unit.entrypoints.ui.pages.test_operations import ids

TYPES = """
[operations.deploy]
workflow = "Deploy"
task_queue = "queue"
"""


@pytest.fixture
async def client(
    database_url: str, tmp_path: Path, temporal_address: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API and the dashboard, of a tenant without operations."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)
    types = tmp_path / "types.toml"
    types.write_text(TYPES)
    settings = Settings(database_url=database_url, access="keys", operations=str(types))
    async with api_keys(database_url) as keys:
        key = bearer((await keys.create("ui", tenant=f"tenant {uuid4()}", scopes=ALL_SCOPES, life=None)).text)
    async with api(settings) as parts, client_of(parts, key) as made:
        yield made


async def test_pages_show_what_postgresql_has(client: httpx.AsyncClient) -> None:
    """Input, result, labels and history; with null, and without an input."""
    made = []
    for body in ({"input": {"machine": "m-1"}, "labels": {"team": "core"}}, {"input": None}, {}):
        answer = await client.post("/v1/operations", json={"type": "deploy", **body})
        made.append(answer.json()["id"])
    done = await client.post(f"/v1/operations/{made[0]}/cancel", json={"reason": "wrong <machine>"})
    assert done.status_code == 202
    assert ids((await client.get("/operations")).text) == made[::-1]
    assert ids((await client.get("/operations?label.team=core&status=FAILED")).text) == made[:1]
    first, second, third = [(await client.get(f"/operations/{each}")).text for each in made]
    assert "&#34;machine&#34;: &#34;m-1&#34;" in first
    assert "wrong &lt;machine&gt;" in first
    assert "<h2>CANCELED</h2>" in first
    assert '<pre id="input" tabindex="0">null</pre>' in second
    assert 'id="input"' not in third


async def test_an_operation_is_started_and_started_again(client: httpx.AsyncClient) -> None:
    """PostgreSQL has the input as text, and refuses a key that was used with another request."""
    page = await client.get("/start?type=deploy")
    fields = {"json": '{"machine": "m-1", "share": 1.50}', "labels": "team=core", "key": f"page {uuid4()}"}
    sent = [await submit(client, page.text, "/start?type=deploy", **fields) for _ in range(2)]
    assert [each.status_code for each in sent] == [303, 303]
    assert sent[0].headers["location"] == sent[1].headers["location"]
    made = sent[0].headers["location"].removeprefix("/operations/")
    again = (await client.get(f"/start?from={made}")).text
    assert "&#34;machine&#34;: &#34;m-1&#34;" in again
    assert ">\nteam=core</textarea>" in again
    other = await submit(client, page.text, "/start?type=deploy", **{**fields, "json": "[]"})
    assert other.status_code == 409
    nul = await submit(client, page.text, "/start?type=deploy", json="{}", labels="a=\x00", key=str(uuid4()))
    assert (nul.status_code, "/labels/a" in nul.text) == (422, True)
    assert ids((await client.get("/operations")).text) == [made]


async def test_a_bulk_action_is_counted_and_confirmed(client: httpx.AsyncClient) -> None:
    """By the filters of the list; its targets wait for the worker."""
    for wave in ("8", "9", "9"):
        await client.post("/v1/operations", json={"type": "deploy", "labels": {"wave": wave}})
    listed = await client.get("/operations?label.wave=9&accepted_after=2026-01-01T00:00:00.000001Z")
    [form] = [form for form in forms(listed.text) if form.action.startswith("/bulk/")]
    dry = await client.post(form.action, data=form.hidden)
    assert "Cancel 2 operations?" in dry.text
    [action] = [form.action for form in forms(dry.text) if "/confirm?" in form.action]
    done = [await submit(client, dry.text, action, reason="a\x00b") for _ in range(2)]
    assert [each.status_code for each in done] == [303, 303]
    assert done[0].headers["location"] == done[1].headers["location"]
    targets = (await client.get(f"{done[0].headers['location']}/targets")).text
    assert targets.count(">Pending</span>") == 2
    assert "opledger.cancel" in (await client.get(done[0].headers["location"])).text


async def submit(client: httpx.AsyncClient, page: str, action: str, **fields: str) -> httpx.Response:
    """Sends the form of a page with that action, with its hidden fields and these."""
    hidden = next(form.hidden for form in forms(page) if form.action == action)
    return await client.post(action, data={**hidden, **fields})


def client_of(parts: ApiParts, key: dict[str, str]) -> httpx.AsyncClient:
    """A client of the API and the dashboard, with this key."""
    pages = dashboard(key=parts.page_token_key, clock=parts.clock, temporal=Temporal(parts.namespace))
    app = create_app(parts.services, page_token_key=parts.page_token_key, access=parts.access, pages=pages)
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=key)
