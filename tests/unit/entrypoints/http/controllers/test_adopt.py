"""POST /v1/operations:adopt."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from adapters.memory.engine.executions import StartFields
from domain.access.scope import Scope
from domain.operation.operation_id import adopted_id
from tests.support.http.access import Guarded
from tests.support.http.api import Api, problem

PATH = "/v1/operations:adopt"
DEPLOY = StartFields("Deploy", "queue", ({"seconds": 3},))


async def adopt(api: Api, workflow_id: str = "nightly", **body: Any) -> httpx.Response:
    return await api.client.post(PATH, json={"type": "deploy", "workflow_id": workflow_id, **body})


def started(api: Api, workflow_id: str = "nightly") -> str:
    """An execution of another client. Returns its run."""
    api.world.start_from_outside(workflow_id, DEPLOY)
    return api.world.latest_run(workflow_id).run_id


async def test_201_for_a_new_operation_and_200_for_a_known_one() -> None:
    """Both with the operation and its URL; the run may be named."""
    api = Api()
    run_id = started(api)
    api.world.pick_up("nightly")
    first, again, by_run = await adopt(api), await adopt(api), await adopt(api, run_id=run_id)
    assert [answer.status_code for answer in (first, again, by_run)] == [201, 200, 200]
    made = first.json()
    assert made["id"] == str(adopted_id("default", "nightly", run_id))
    assert first.headers["location"] == again.headers["location"] == f"/v1/operations/{made['id']}"
    assert (first.headers["retry-after"], made["status"], made["input"]) == ("1", "RUNNING", {"seconds": 3})
    assert made["execution"] == {"workflow_id": "nightly", "origin": "ADOPTED"}
    assert again.json() == by_run.json() == made == (await api.client.get(first.headers["location"])).json()


async def test_closed_execution_is_done() -> None:
    """So that there is nothing to wait for."""
    api = Api()
    started(api)
    api.world.complete("nightly", {"ok": True})
    answer = await adopt(api)
    assert (answer.status_code, answer.json()["status"], answer.json()["result"]) == (201, "COMPLETED", {"ok": True})
    assert "retry-after" not in answer.headers


async def test_404_for_an_unknown_execution_and_for_another_tenants() -> None:
    """In the same words (P8)."""
    api = Api()
    run_id = started(api)
    unknown = problem(await adopt(api, "daily"), 404)
    assert unknown["type"] == "urn:opledger:problem:execution-not-found"
    problem(await adopt(api, run_id=str(UUID(int=77))), 404)
    assert (await adopt(api)).status_code == 201
    api.tenant = "another"
    for body in ({}, {"run_id": run_id}, {"type": "build"}):
        foreign = problem(await adopt(api, **body), 404)
        assert foreign["detail"].replace("nightly", "daily").startswith(unknown["detail"])


async def test_409_for_an_operation_of_another_type() -> None:
    """The execution has an operation already, which keeps its type."""
    api = Api()
    own = await api.submit()
    api.world.start_from_outside(own["id"], DEPLOY, tagged=True)
    answer = problem(await adopt(api, own["id"], type="build"), 409)
    assert answer["type"] == "urn:opledger:problem:execution-of-other-type"
    assert (await adopt(api, own["id"])).json()["id"] == own["id"]


async def test_422_for_a_type_that_does_not_fit() -> None:
    """Undeclared, or that of another workflow type."""
    api = Api()
    started(api)
    assert problem(await adopt(api, type="nothing"), 422)["type"] == "urn:opledger:problem:unknown-operation-type"
    refused = problem(await adopt(api, type="build"), 422)
    assert refused["errors"][0]["pointer"] == "/type"
    assert "'Build', and the execution has 'Deploy'" in refused["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"workflow_id": ""}, "/workflow_id"),
        ({"workflow_id": "x" * 1001}, "/workflow_id"),
        ({"workflow_id": None}, "/workflow_id"),
        ({"run_id": "latest"}, "/run_id"),
        ({"input": {}}, "/input"),
    ],
)
async def test_422_for_an_invalid_field(body: dict[str, Any], pointer: str) -> None:
    """The error says which."""
    answer = problem(await adopt(Api(), **body), 422)
    assert answer["errors"][0]["pointer"] == pointer


async def test_503_while_the_engine_is_away() -> None:
    """Unlike other requests, this one needs it."""
    api = Api()
    started(api)
    api.world.go_down()
    answer = await adopt(api)
    assert problem(answer, 503)["type"] == "urn:opledger:problem:engine-unavailable"
    assert answer.headers["retry-after"] == "5"


async def test_scope_submit_is_needed() -> None:
    """Reading is not enough."""
    api = Guarded()
    body = {"type": "deploy", "workflow_id": "nightly"}
    problem(await api.ask("POST", PATH, await api.key("a", Scope.READ, Scope.CANCEL), json=body), 403)
    problem(await api.ask("POST", PATH, await api.key("a", Scope.SUBMIT), json=body), 404)
