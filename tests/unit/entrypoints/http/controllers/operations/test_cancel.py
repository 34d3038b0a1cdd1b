"""POST /v1/operations/{id}/cancel."""

from typing import Any

import pytest

from tests.support.http.api import Api, problem


async def running(api: Api) -> str:
    """Returns the cancel URL of a running operation."""
    made = await api.submit()
    await api.start(made["id"])
    return f"/v1/operations/{made['id']}/cancel"


async def test_cancel_of_a_running_operation_is_202() -> None:
    """The response has the request; the operation runs until the workflow ends."""
    api = Api()
    answer = await api.client.post(await running(api), json={"reason": "no longer needed"})
    assert answer.status_code == 202
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["status"] == "RUNNING"
    assert answer.json()["cancel_requested"] == {
        "at": "2026-01-01T00:00:00Z",
        "by": None,
        "reason": "no longer needed",
        "force": False,
        "delivered_at": None,
    }


async def test_cancel_before_the_start_ends_the_operation() -> None:
    """The engine does not know the operation."""
    api = Api()
    made = await api.submit()
    answer = await api.client.post(f"/v1/operations/{made['id']}/cancel")
    assert answer.status_code == 202
    assert (answer.json()["status"], answer.json()["error"]["code"]) == ("FAILED", "CANCELED")
    assert "retry-after" not in answer.headers


async def test_a_repeat_changes_nothing_and_force_is_a_new_request() -> None:
    """`force` may follow a plain request."""
    api = Api()
    url = await running(api)
    first = (await api.client.post(url, json={"reason": "a"})).json()
    assert (await api.client.post(url, json={"reason": "b"})).json() == first
    forced = (await api.client.post(url, json={"force": True})).json()
    assert (forced["cancel_requested"]["force"], forced["version"]) == (True, first["version"] + 1)
    assert (await api.client.post(url, json={})).json() == forced


async def test_a_finished_operation_is_409() -> None:
    """It is too late to cancel it."""
    api = Api()
    made = await api.submit()
    await api.complete(made["id"], 1)
    problem(await api.client.post(f"/v1/operations/{made['id']}/cancel", json={}), 409)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"force": "true"}, "/force"),
        ({"force": 1}, "/force"),
        ({"reason": 1}, "/reason"),
        ({"reason": "x" * 10_001}, "/reason"),
        ({"wait": True}, "/wait"),
        ([], ""),
    ],
)
async def test_an_invalid_request_is_422(body: Any, pointer: str) -> None:
    """With a pointer, and nothing is requested: types are not converted, and a reason is never cut."""
    api = Api()
    url = await running(api)
    assert problem(await api.client.post(url, json=body), 422)["errors"][0]["pointer"] == pointer
    assert (await api.client.get(url.removesuffix("/cancel"))).json()["cancel_requested"] is None


async def test_a_weak_tag_is_412() -> None:
    """RFC 9110, 13.1.1: the version is current, and the problem says that W/ is wrong."""
    api = Api()
    made = await api.submit()
    answer = await api.client.post(f"/v1/operations/{made['id']}/cancel", headers={"If-Match": 'W/"1"'})
    words = "the operation is at version 1; If-Match never matches a weak tag; remove the W/"
    assert problem(answer, 412)["detail"].startswith(words)


async def test_the_history_names_the_principal() -> None:
    """For the submission and for the cancellation request."""
    api = Api(actor="ci")
    made = await api.submit()
    cancelled = await api.client.post(f"/v1/operations/{made['id']}/cancel", json={})
    assert cancelled.json()["cancel_requested"]["by"] == "ci"
    lines = (await api.client.get(f"/v1/operations/{made['id']}/transitions")).json()["items"]
    assert [line["actor"] for line in lines] == ["ci"] * len(lines)
