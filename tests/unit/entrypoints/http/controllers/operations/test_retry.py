"""`POST /v1/operations/{id}/retry`."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from domain.json_value import JsonValue
from domain.operation.operation_type import OperationCatalogue
from tests.support.http.api import CATALOGUE, Api, problem

OTHER_MACHINE: dict[str, JsonValue] = {"type": "object", "properties": {"machine": {"type": "integer"}}}


async def failed(api: Api, **fields: Any) -> str:
    """The id of an operation that was cancelled before its start."""
    operation_id: str = (await api.submit(**fields))["id"]
    await api.client.post(f"/v1/operations/{operation_id}/cancel")
    return operation_id


async def test_a_retry_is_a_new_operation() -> None:
    """With the same input and labels. The two name each other."""
    api = Api()
    first = await failed(api, input={"n": 1}, labels={"team": "a"})
    answer = await api.client.post(f"/v1/operations/{first}/retry")
    assert answer.status_code == 202
    made = answer.json()
    assert answer.headers["Location"] == f"/v1/operations/{made['id']}"
    assert (made["status"], made["input"], made["labels"]) == ("ACCEPTED", {"n": 1}, {"team": "a"})
    assert (made["retry_of"], made["retried_by"]) == (first, None)
    former = (await api.client.get(f"/v1/operations/{first}")).json()
    assert (former["status"], former["retried_by"]) == ("FAILED", made["id"])
    lines = (await api.client.get(f"/v1/operations/{first}/transitions")).json()["items"]
    assert lines[-1]["reason"] == f"retried by operation {made['id']}"


async def test_a_repeat_returns_the_first_retry() -> None:
    """With or without a key. Other values are a 409 with the operation."""
    api = Api()
    first = await failed(api)
    made = (await api.client.post(f"/v1/operations/{first}/retry", json={})).json()
    again = await api.client.post(f"/v1/operations/{first}/retry", headers={"Idempotency-Key": "k"})
    assert (again.json()["id"], again.headers["Idempotent-Replayed"]) == (made["id"], "true")
    other = await api.client.post(f"/v1/operations/{first}/retry", json={"input": 2})
    refusal = problem(other, 409)
    assert refusal["type"] == "urn:opledger:problem:operation-already-retried"
    assert refusal["operation_id"] == made["id"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"input": None}, {"input": None}),
        ({"input": {"n": 2}, "labels": {}}, {"input": {"n": 2}, "labels": {}}),
        ({"delay": "1m"}, {"input": {"n": 1}, "labels": {"team": "a"}, "start_at": "2026-01-01T00:01:00Z"}),
    ],
)
async def test_a_retry_may_change_something(change: dict[str, Any], expected: dict[str, Any]) -> None:
    """Null is an input, as everywhere."""
    api = Api()
    first = await failed(api, input={"n": 1}, labels={"team": "a"})
    made = (await api.client.post(f"/v1/operations/{first}/retry", json=change)).json()
    assert {name: made[name] for name in expected} == expected


async def test_an_open_operation_is_not_retried() -> None:
    """Nor is a missing one, or another tenant's."""
    api = Api()
    made = await api.submit()
    refusal = problem(await api.client.post(f"/v1/operations/{made['id']}/retry"), 409)
    assert refusal["type"] == "urn:opledger:problem:operation-not-done"
    missing = problem(await api.client.post(f"/v1/operations/{UUID(int=7)}/retry"), 404)
    first = await failed(api)
    api.tenant = "another"
    foreign = problem(await api.client.post(f"/v1/operations/{first}/retry"), 404)
    assert foreign["detail"] == missing["detail"].replace(str(UUID(int=7)), first)


OTHERS = OperationCatalogue({"reboot": replace(CATALOGUE.get("reboot"), input_schema=OTHER_MACHINE)})
"""The type `deploy` is not declared any more, and `reboot` wants another input."""


@pytest.mark.parametrize(
    ("of", "kind", "named"),
    [
        ({"type": "reboot", "input": {"machine": "m1"}}, "invalid-field", "input.machine "),
        ({"type": "deploy"}, "unknown-operation-type", "'deploy' is not a declared operation type"),
    ],
    ids=["input", "type"],
)
async def test_what_the_operation_has_is_no_field_of_the_body(of: dict[str, Any], kind: str, named: str) -> None:
    """The error names the operation's type or input, and points to nothing in an empty body."""
    api = Api()
    first = await failed(api, **of)
    changed = Api(store=api.store, catalogue=OTHERS)
    refusal = problem(await changed.client.post(f"/v1/operations/{first}/retry", json={"labels": {}}), 422)
    assert refusal["type"].endswith(kind)
    [error] = refusal["errors"]
    assert error["pointer"] == ""
    assert error["detail"].startswith(f"the operation cannot be retried as it is: {named}")
    assert refusal["detail"] == error["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"input": {"machine": 1}}, "/input/machine"),
        ({"labels": {"no key": "x"}}, "/labels/no key"),
        ({"delay": "36500d"}, "/delay"),
        ({"type": "deploy"}, "/type"),
    ],
)
async def test_a_retry_is_checked_as_a_submission(body: dict[str, Any], pointer: str) -> None:
    """The error names the field. The operation can be retried still."""
    api = Api()
    first = await failed(api, type="reboot", input={"machine": "m1"})
    refusal = problem(await api.client.post(f"/v1/operations/{first}/retry", json=body), 422)
    assert [error["pointer"] for error in refusal["errors"]] == [pointer]
    assert (await api.client.post(f"/v1/operations/{first}/retry")).status_code == 202
