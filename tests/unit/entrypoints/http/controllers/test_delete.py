"""DELETE /v1/operations/{id}, and If-Match, which it has in common with cancelling."""

from collections.abc import Sequence

import httpx
import pytest

from tests.support.http_api import Api, problem


async def done(api: Api) -> str:
    """The URL of an operation that is done; its version is 3."""
    made = await api.submit()
    await api.complete(made["id"], 1)
    return f"/v1/operations/{made['id']}"


async def test_it_is_gone() -> None:
    """204 with nothing; then it is 404 for every call, and in no list."""
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


async def test_what_is_not_done_is_409() -> None:
    """Waiting or running, it is as it was."""
    api = Api()
    made = await api.submit()
    url = f"/v1/operations/{made['id']}"
    refused = problem(await api.client.delete(url), 409)
    assert refused["type"] == "urn:opledger:problem:operation-not-done"
    assert "ACCEPTED" in refused["detail"]
    await api.start(made["id"])
    problem(await api.client.delete(url), 409)
    assert (await api.client.get(url)).json()["status"] == "RUNNING"


async def test_another_tenants_is_404() -> None:
    """P8: also where its version would not match."""
    api = Api()
    url = await done(api)
    api.tenant = "other"
    problem(await api.client.delete(url), 404)
    problem(await api.client.delete(url, headers={"If-Match": '"99"'}), 404)
    api.tenant = "default"
    assert (await api.client.get(url)).status_code == 200


@pytest.mark.parametrize("place", ["x", "00000000-0000-0000-0000-00000000000", "00000000-0000-0000-0000-000000000000"])
async def test_what_is_no_operation_is_404(place: str) -> None:
    """An id that is none, too."""
    problem(await Api().client.delete(f"/v1/operations/{place}"), 404)


async def test_the_methods_of_the_path() -> None:
    """Reading and removing are routes of one path."""
    api = Api()
    url = await done(api)
    refused = await api.client.put(url)
    problem(refused, 405)
    assert refused.headers["allow"] == "DELETE, GET, HEAD, OPTIONS"


async def delete(api: Api, url: str, values: Sequence[str]) -> httpx.Response:
    """A conditional removal."""
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
async def test_the_version_that_is_meant(values: list[str]) -> None:
    """Any of those that are named; `*` is any at all."""
    api = Api()
    assert (await delete(api, await done(api), values)).status_code == 204


@pytest.mark.parametrize("values", OTHER, ids=str)
async def test_another_version(values: list[str]) -> None:
    """412, which says at which version it is."""
    api = Api()
    url = await done(api)
    refused = problem(await delete(api, url, values), 412)
    assert refused["errors"] == [{"detail": "the operation is at version 3", "header": "If-Match"}]
    assert (await api.client.get(url)).status_code == 200


@pytest.mark.parametrize("values", [['W/"3"'], ['"2", W/"3"']], ids=str)
async def test_weak_tag_never_matches_and_the_problem_says_so(values: list[str]) -> None:
    """412 (RFC 9110, 13.1.1): the version is the right one, and only the W/ is wrong."""
    api = Api()
    refused = problem(await delete(api, await done(api), values), 412)
    assert refused["detail"].startswith(
        "the operation is at version 3; If-Match never matches a weak tag; remove the W/"
    )


@pytest.mark.parametrize("values", NONSENSE, ids=str)
async def test_a_condition_that_makes_no_sense(values: list[str]) -> None:
    """400: to ignore it would be to remove what the client did not mean."""
    api = Api()
    url = await done(api)
    assert problem(await delete(api, url, values), 400)["errors"][0]["header"] == "If-Match"
    assert (await api.client.get(url)).status_code == 200


async def test_the_tag_of_an_answer_is_the_condition() -> None:
    """What was read is what is removed, or nothing is."""
    api = Api()
    url = await done(api)
    tag = (await api.client.get(url)).headers["etag"]
    assert (await delete(api, url, [tag])).status_code == 204


async def test_a_cancel_request_can_be_conditional() -> None:
    """412 where it has gone on meanwhile, and nothing is asked for; done is 409 whatever the condition."""
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
