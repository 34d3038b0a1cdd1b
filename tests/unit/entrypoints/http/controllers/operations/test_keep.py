"""`keep` of a submission, and `POST /v1/operations/{id}/keep`."""

from typing import Any
from uuid import UUID

import pytest

from tests.support.http.api import Api, problem


async def keep(api: Api, operation_id: str, value: bool) -> dict[str, Any]:
    """Returns the answer's operation."""
    answer = await api.client.post(f"/v1/operations/{operation_id}/keep", json={"keep": value})
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


async def test_a_submission_may_keep_its_operation() -> None:
    """Alone or in a batch. By default none is kept."""
    api = Api()
    assert (await api.submit())["keep"] is False
    made = await api.submit(keep=True)
    assert made["keep"] is True
    assert (await api.client.get(f"/v1/operations/{made['id']}")).json()["keep"] is True
    batch = {"operations": [{"type": "deploy", "keep": True}, {"type": "deploy"}]}
    items = (await api.client.post("/v1/operations/batch", json=batch)).json()["items"]
    assert [item["operation"]["keep"] for item in items] == [True, False]


async def test_an_operation_is_kept_and_released() -> None:
    """Open or done. Each change is a version and a line of the history; a repeat is neither."""
    api = Api()
    made = await api.submit()
    kept = await keep(api, made["id"], True)
    assert (kept["keep"], kept["version"]) == (True, 2)
    assert await keep(api, made["id"], True) == kept
    await api.complete(made["id"], 1)
    released = await keep(api, made["id"], False)
    assert (released["keep"], released["status"], released["version"]) == (False, "COMPLETED", 5)
    lines = (await api.client.get(f"/v1/operations/{made['id']}/transitions")).json()["items"]
    assert [line["reason"] for line in lines if "kept" in line["reason"]] == [
        "kept: retention does not delete it",
        "no longer kept",
    ]


async def test_many_changes_do_not_fill_the_history() -> None:
    """A client that changes its mind without end."""
    api = Api()
    made = await api.submit()
    for number in range(60):
        await keep(api, made["id"], number % 2 == 0)
    lines = (await api.client.get(f"/v1/operations/{made['id']}/transitions")).json()["items"]
    assert len(lines) == 50


async def test_a_kept_operation_may_be_deleted() -> None:
    """By its tenant, on purpose."""
    api = Api()
    made = await api.submit(keep=True)
    await api.complete(made["id"], 1)
    assert (await api.client.delete(f"/v1/operations/{made['id']}")).status_code == 204


async def test_the_version_may_be_a_condition() -> None:
    """As for every change."""
    api = Api()
    made = await api.submit()
    url = f"/v1/operations/{made['id']}/keep"
    problem(await api.client.post(url, json={"keep": True}, headers={"If-Match": '"2"'}), 412)
    weak = problem(await api.client.post(url, json={"keep": True}, headers={"If-Match": 'W/"1"'}), 412)
    words = "the operation is at version 1; If-Match never matches a weak tag; remove the W/"
    assert weak["detail"].startswith(words)
    assert (await api.client.post(url, json={"keep": True}, headers={"If-Match": '"1"'})).status_code == 200


async def test_another_tenants_operation_is_404() -> None:
    """P8: like a missing one, whatever the version."""
    api = Api()
    made = await api.submit()
    url = f"/v1/operations/{made['id']}/keep"
    api.tenant = "other"
    problem(await api.client.post(url, json={"keep": True}), 404)
    problem(await api.client.post(url, json={"keep": True}, headers={"If-Match": '"99"'}), 404)
    problem(await api.client.post(f"/v1/operations/{UUID(int=7)}/keep", json={"keep": True}), 404)
    api.tenant = "default"
    assert (await api.client.get(f"/v1/operations/{made['id']}")).json()["keep"] is False


@pytest.mark.parametrize("body", [{}, {"keep": None}, {"keep": "yes"}, {"keep": 1}, {"keep": True, "until": "9d"}])
async def test_an_invalid_body_is_422(body: dict[str, Any]) -> None:
    """And changes nothing."""
    api = Api()
    made = await api.submit()
    problem(await api.client.post(f"/v1/operations/{made['id']}/keep", json=body), 422)
    assert (await api.client.get(f"/v1/operations/{made['id']}")).json()["version"] == 1


async def test_a_repeated_submission_shows_the_first_answer() -> None:
    """The same key with another `keep` is another request."""
    api = Api()
    key = {"Idempotency-Key": "k"}
    first = (await api.client.post("/v1/operations", json={"type": "deploy", "keep": True}, headers=key)).json()
    await keep(api, first["id"], False)
    again = await api.client.post("/v1/operations", json={"type": "deploy", "keep": True}, headers=key)
    assert again.json() == first
    problem(await api.client.post("/v1/operations", json={"type": "deploy"}, headers=key), 422)
