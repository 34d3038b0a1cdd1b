"""DELETE /v1/operations/{id}, and If-Match, also of cancel."""

from collections.abc import Sequence

import httpx
import pytest

from tests.support.http.api import Api, problem


async def done(api: Api) -> str:
    """Returns the URL of a finished operation at version 3."""
    made = await api.submit()
    await api.complete(made["id"], 1)
    return f"/v1/operations/{made['id']}"


async def test_a_deleted_operation_is_404() -> None:
    """The deletion is 204 without a body; afterwards every request for it is 404, and no list has it."""
    api = Api()
    url = await done(api)
    answer = await api.client.delete(url)
    assert (answer.status_code, answer.content) == (204, b"")
    for gone in (
        await api.client.delete(url),
        await api.client.get(url),
        await api.client.get(f"{url}/transitions"),
        await api.client.post(f"{url}/cancel"),
    ):
        problem(gone, 404)
    assert (await api.client.get("/v1/operations")).json()["items"] == []
    assert sum((await api.client.get("/v1/operations/counts")).json()["by_status"].values()) == 0


async def test_an_unfinished_operation_is_409() -> None:
    """Accepted or running, it does not change."""
    api = Api()
    made = await api.submit()
    url = f"/v1/operations/{made['id']}"
    refused = problem(await api.client.delete(url), 409)
    assert refused["type"] == "urn:opledger:problem:operation-not-done"
    assert "ACCEPTED" in refused["detail"]
    await api.start(made["id"])
    problem(await api.client.delete(url), 409)
    assert (await api.client.get(url)).json()["status"] == "RUNNING"


async def test_another_tenants_operation_is_404() -> None:
    """P8: also if the version does not match."""
    api = Api()
    url = await done(api)
    api.tenant = "other"
    problem(await api.client.delete(url), 404)
    problem(await api.client.delete(url, headers={"If-Match": '"99"'}), 404)
    api.tenant = "default"
    assert (await api.client.get(url)).status_code == 200


@pytest.mark.parametrize("place", ["x", "00000000-0000-0000-0000-00000000000", "00000000-0000-0000-0000-000000000000"])
async def test_an_unknown_operation_is_404(place: str) -> None:
    """An invalid id too."""
    problem(await Api().client.delete(f"/v1/operations/{place}"), 404)


async def test_the_path_has_get_and_delete() -> None:
    """OPTIONS lists both."""
    api = Api()
    url = await done(api)
    refused = await api.client.put(url)
    problem(refused, 405)
    assert refused.headers["allow"] == "DELETE, GET, HEAD, OPTIONS"


async def delete(api: Api, url: str, values: Sequence[str]) -> httpx.Response:
    """Sends a deletion with If-Match."""
    return await api.client.request("DELETE", url, headers=[("If-Match", value) for value in values])


MATCHING = [
    ['"3"'],
    ["*"],
    ['"1", "3"'],
    ['"1"', '"3"'],
    ['W/"3", "3"'],
    ['"x,y" ,"3"'],
    [' "3" '],
    ['"3",'],
    [', ,"3"'],
]
OTHER = [['"2"'], ['"4"'], ['"03"'], ['"+3"'], ['"x"'], ['""'], ['"2", "4"'], ['"3333333333333"']]
NONSENSE = [[""], ["3"], ['"3'], ["W/3"], ['"3" "4"'], ['"3"x'], [","], ['*, "3"'], ["'3'"], ['w/"3"']]


@pytest.mark.parametrize("values", MATCHING, ids=str)
async def test_a_matching_version_is_deleted(values: list[str]) -> None:
    """Any in the list; `*` matches all."""
    api = Api()
    assert (await delete(api, await done(api), values)).status_code == 204


@pytest.mark.parametrize("values", OTHER, ids=str)
async def test_another_version_is_412(values: list[str]) -> None:
    """The problem has the current version."""
    api = Api()
    url = await done(api)
    refused = problem(await delete(api, url, values), 412)
    assert refused["errors"] == [{"detail": "the operation is at version 3", "header": "If-Match"}]
    assert (await api.client.get(url)).status_code == 200


@pytest.mark.parametrize("values", [['W/"3"'], ['"2", W/"3"']], ids=str)
async def test_a_weak_tag_is_412(values: list[str]) -> None:
    """RFC 9110, 13.1.1: the version is current, and the problem says that W/ is wrong."""
    api = Api()
    refused = problem(await delete(api, await done(api), values), 412)
    assert refused["detail"].startswith(
        "the operation is at version 3; If-Match never matches a weak tag; remove the W/"
    )


@pytest.mark.parametrize("values", NONSENSE, ids=str)
async def test_an_invalid_condition_is_400(values: list[str]) -> None:
    """Ignoring it could delete what the client did not mean."""
    api = Api()
    url = await done(api)
    assert problem(await delete(api, url, values), 400)["errors"][0]["header"] == "If-Match"
    assert (await api.client.get(url)).status_code == 200


async def test_the_etag_of_a_response_is_a_condition() -> None:
    """It deletes the version that was read, or nothing."""
    api = Api()
    url = await done(api)
    tag = (await api.client.get(url)).headers["etag"]
    assert (await delete(api, url, [tag])).status_code == 204


async def test_a_cancel_may_be_conditional() -> None:
    """412 if the version has changed, and nothing is requested; a finished operation is 409 with any condition."""
    api = Api()
    made = await api.submit()
    url = f"/v1/operations/{made['id']}"
    read = (await api.client.get(url)).headers["etag"]
    await api.start(made["id"])
    refused = await api.client.post(f"{url}/cancel", headers={"If-Match": read})
    assert problem(refused, 412)["errors"][0]["detail"] == "the operation is at version 2"
    assert (await api.client.get(url)).json()["cancel_requested"] is None
    problem(await api.client.post(f"{url}/cancel", headers={"If-Match": "2"}), 400)
    asked = await api.client.post(f"{url}/cancel", json={"reason": "x"}, headers={"If-Match": f'{read}, "2"'})
    assert (asked.status_code, asked.json()["version"]) == (202, 3)
    again = await api.client.post(f"{url}/cancel", headers={"If-Match": "*"})
    assert (again.status_code, again.json()["version"]) == (202, 3)
    other = await done(api)
    problem(await api.client.post(f"{other}/cancel", headers={"If-Match": '"1"'}), 409)
