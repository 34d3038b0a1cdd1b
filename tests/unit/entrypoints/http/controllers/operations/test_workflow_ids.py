"""Submissions of types with a workflow id template, over HTTP."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.start.workflow_id_policy import OnClosed, OnRunning
from domain.operation.start.workflow_id_template import WorkflowIdTemplate
from tests.support.http.api import Api, problem

TEMPLATE = WorkflowIdTemplate.parse("{tenant}-{input.machine}-{labels.stage}")
SHARED = WorkflowIdTemplate.parse("deploy-{input.machine}")


def declared(name: str, template: WorkflowIdTemplate = SHARED, **policies: Any) -> OperationType:
    return OperationType(name, "Deploy", "queue", workflow_id=template, **policies)


TYPES = [
    declared("filled", TEMPLATE),
    declared("reject"),
    declared("use", on_running=OnRunning.USE_EXISTING),
    declared("terminate", on_running=OnRunning.TERMINATE),
    declared("once", on_closed=OnClosed.REJECT),
]


def api() -> Api:
    return Api(catalogue=OperationCatalogue({kind.name: kind for kind in TYPES}))


async def post(served: Api, kind: str, **body: Any) -> httpx.Response:
    return await served.client.post("/v1/operations", json={"type": kind, "input": {"machine": "m"}, **body})


def refused(answer: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    """The problem, which has this type."""
    found = problem(answer, status)
    assert found["type"] == f"urn:opledger:problem:{slug}"
    return found


async def test_workflow_id_is_shown_and_found() -> None:
    """In `execution`, and by the filter."""
    served = api()
    made = await post(served, "filled", labels={"stage": "test"})
    assert made.json()["execution"] == {"workflow_id": "default-m-test", "origin": "LEDGER"}
    listed = await served.client.get("/v1/operations", params={"workflow_id": "default-m-test"})
    assert [item["id"] for item in listed.json()["items"]] == [made.json()["id"]]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/labels/stage"]),
        ({"input": {}}, ["/input/machine", "/labels/stage"]),
        ({"input": {"machine": 1.5}, "labels": {"stage": "a"}}, ["/input/machine"]),
        ({"input": {"machine": "x" * 300}, "labels": {"stage": "a"}}, ["/input/machine"]),
        ({"input": {"machine": "a\u0007"}, "labels": {"stage": "a"}}, ["/input/machine"]),
    ],
)
async def test_value_that_fills_no_workflow_id(body: dict[str, Any], pointers: list[str]) -> None:
    """422 with a pointer to each, alone and in a batch."""
    served = api()
    answer = await post(served, "filled", **body)
    found = refused(answer, 422, "invalid-field")
    assert [error["pointer"] for error in found["errors"]] == pointers
    item = {"type": "filled", "input": {"machine": "m"}, **body}
    batch = await served.client.post("/v1/operations/batch", json={"operations": [item]})
    [result] = batch.json()["items"]
    assert [error["pointer"] for error in result["problem"]["errors"]] == [f"/operations/0{one}" for one in pointers]


async def test_workflow_id_in_use() -> None:
    """409 names the open operation, alone and in a batch. Another tenant's is not named."""
    served = api()
    first = (await post(served, "reject")).json()["id"]
    found = refused(await post(served, "reject"), 409, "workflow-id-in-use")
    assert found["operation_id"] == first
    batch = await served.client.post(
        "/v1/operations/batch", json={"operations": [{"type": "reject", "input": {"machine": "m"}}]}
    )
    [item] = batch.json()["items"]
    assert (item["status"], item["problem"]["operation_id"]) == (409, first)
    served.tenant = "another"
    found = refused(await post(served, "reject"), 409, "workflow-id-in-use")
    assert "operation_id" not in found
    assert first not in str(found)


async def test_workflow_id_used_before() -> None:
    """409 names the operation that is done."""
    served = api()
    first = (await post(served, "once")).json()["id"]
    await served.complete(first, 1)
    found = refused(await post(served, "once"), 409, "workflow-id-used")
    assert found["operation_id"] == first


async def test_existing_operation_is_the_answer() -> None:
    """202 with its location, marked as replayed."""
    served = api()
    first = (await post(served, "reject")).json()["id"]
    await served.start(first)
    answer = await post(served, "use")
    assert (answer.status_code, answer.headers["idempotent-replayed"]) == (202, "true")
    assert answer.headers["location"] == f"/v1/operations/{first}"
    assert answer.json()["status"] == "RUNNING"


async def test_superseded_operation_names_its_successor() -> None:
    """FAILED with TERMINATED and `superseded_by` in the details."""
    served = api()
    first = (await post(served, "terminate")).json()["id"]
    second = await post(served, "terminate")
    assert (second.status_code, "idempotent-replayed" in second.headers) == (202, False)
    error = (await served.client.get(f"/v1/operations/{first}")).json()["error"]
    assert (error["code"], error["details"]) == ("TERMINATED", {"superseded_by": second.json()["id"]})
    assert UUID(error["details"]["superseded_by"])
