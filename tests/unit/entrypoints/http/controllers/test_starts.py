"""POST /v1/operations:record."""

from typing import Any

import httpx
import pytest

from tests.support.http.api import Api, problem

URL = "/v1/operations:record"
BODY = {"type": "Deploy", "workflow_id": "deploy-m1"}


async def record(api: Api, key: str | None = None, **fields: Any) -> httpx.Response:
    """Records a start."""
    headers = {} if key is None else {"Idempotency-Key": key}
    return await api.client.post(URL, json={**BODY, **fields}, headers=headers)


async def test_a_201_has_location_and_operation() -> None:
    """The type is the declared one of the workflow type."""
    api = Api(actor="shop")
    answer = await record(api, input={"n": 1}, labels={"team": "a"})
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/operations/{made['id']}"
    assert (made["type"], made["status"], made["input"], made["labels"]) == (
        "deploy",
        "ACCEPTED",
        {"n": 1},
        {"team": "a"},
    )
    assert made["execution"] == {"workflow_id": "deploy-m1", "origin": "CLIENT"}
    assert "idempotent-replayed" not in answer.headers
    assert (await api.client.get(answer.headers["location"])).json() == made
    [line] = (await api.client.get(f"{answer.headers['location']}/transitions")).json()["items"]
    assert (line["actor"], line["source"]) == ("shop", "CLIENT")


async def test_a_repeat_with_the_same_key_is_a_201() -> None:
    """The client whose answer was lost starts its workflow as the same operation."""
    api = Api()
    first, again = await record(api, "k"), await record(api, "k")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"


async def test_an_open_operation_is_named() -> None:
    """It is the answer under `use_existing`."""
    api = Api()
    made = (await record(api)).json()
    refused = problem(await record(api), 409)
    assert (refused["type"], refused["operation_id"]) == ("urn:opledger:problem:workflow-id-in-use", made["id"])
    used = await record(api, on_running="use_existing")
    assert (used.status_code, used.json()["id"]) == (200, made["id"])
    assert used.headers["idempotent-replayed"] == "true"
    assert (await record(api, on_running="terminate")).status_code == 201


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"workflow_id": ""}, "/workflow_id"),
        ({"workflow_id": "w" * 1001}, "/workflow_id"),
        ({"workflow_id": "ä" * 501}, "/workflow_id"),
        ({"type": ""}, "/type"),
        ({"on_running": "ask"}, "/on_running"),
        ({"labels": {"!": "x"}}, "/labels/!"),
        ({"run_id": "x"}, "/run_id"),
    ],
)
async def test_an_invalid_field_has_its_place(changed: dict[str, Any], pointer: str) -> None:
    """As in a submission."""
    refused = problem(await record(Api(), **changed), 422)
    assert [error["pointer"] for error in refused["errors"]] == [pointer]


async def test_the_longest_workflow_id_is_stored() -> None:
    """Temporal counts bytes."""
    made = (await record(Api(), workflow_id="ä" * 500)).json()
    assert made["execution"]["workflow_id"] == "ä" * 500
