"""GET of one operation, its history, and the counts."""

import json
from dataclasses import replace
from uuid import UUID

import pytest

from application.ports.storage.operation_view import JsonText
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.start.creation import accept
from entrypoints.response_bodies import PageBody, json_bytes, operation_body
from tests.support.http.api import Api, problem
from tests.support.operations import cause


async def test_the_etag_is_the_version_and_a_known_version_is_304() -> None:
    """A strong ETag. If-None-Match with it gives 304 without a body until the operation changes."""
    api = Api()
    made = await api.submit()
    url = f"/v1/operations/{made['id']}"
    first = await api.client.get(url)
    assert first.json() == made
    assert (first.headers["etag"], first.headers["cache-control"]) == ('"1"', "private, no-cache")
    same = await api.client.get(url, headers={"If-None-Match": '"1"'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", '"1"')
    await api.start(made["id"])
    changed = await api.client.get(url, headers={"If-None-Match": '"1"'})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ('"0", "1"', 304),
        ('W/"1"', 304),
        ("*", 304),
        ('"11"', 200),
        ("1", 200),
        ('"1', 200),
        ('"é", "1"', 304),
        ("", 200),
    ],
)
async def test_if_none_match_is_a_list_of_tags(header: str, status: int) -> None:
    """RFC 9110, 13.1.2: weak comparison, `*` matches any, and invalid tags are ignored."""
    api = Api()
    made = await api.submit()
    headers = [(b"If-None-Match", header.encode("latin-1"))]
    assert (await api.client.get(f"/v1/operations/{made['id']}", headers=headers)).status_code == status


async def test_an_open_operation_has_retry_after() -> None:
    """A finished one has none: polling clients stop."""
    api = Api()
    made = await api.submit()
    url = f"/v1/operations/{made['id']}"
    assert (await api.client.get(url)).headers["retry-after"] == "1"
    await api.complete(made["id"], None)
    done = await api.client.get(url)
    assert "retry-after" not in done.headers
    assert (done.json()["status"], done.json()["done"], done.json()["result"]) == ("COMPLETED", True, None)


@pytest.mark.parametrize("path", ["", "/transitions"])
@pytest.mark.parametrize(
    "name", ["7b1fb906-8dbd-4aba-abe2-1f67420b767b", "nope", "0", "%00", "%ED%A0%80", "'; drop table", "ä"]
)
async def test_an_unknown_operation_is_404(path: str, name: str) -> None:
    """Hazard 28: an id that is no UUID too."""
    problem(await Api().client.get(f"/v1/operations/{name}{path}"), 404)


async def test_another_tenants_operation_is_404() -> None:
    """P8: for every request, with the body of an unknown one."""
    api = Api()
    made = await api.submit()
    other = replace(api, tenant="other")
    url = f"/v1/operations/{made['id']}"
    for answer in (
        await other.client.get(url),
        await other.client.get(f"{url}/transitions"),
        await other.client.post(f"{url}/cancel"),
    ):
        assert problem(answer, 404)["type"] == "urn:opledger:problem:operation-not-found"
    assert (await other.client.get("/v1/operations")).json()["items"] == []


async def test_the_history_is_complete_and_in_order() -> None:
    """Oldest first, with from, to, source, reason, actor and time."""
    api = Api()
    made = await api.submit()
    await api.complete(made["id"], 1)
    lines = (await api.client.get(f"/v1/operations/{made['id']}/transitions")).json()["items"]
    assert [(line["sequence"], line["from"], line["to"]) for line in lines] == [
        (1, None, "ACCEPTED"),
        (2, "ACCEPTED", "RUNNING"),
        (3, "RUNNING", "COMPLETED"),
    ]
    assert lines[0] == {
        "sequence": 1,
        "from": None,
        "to": "ACCEPTED",
        "source": "CLIENT",
        "reason": "accepted",
        "actor": None,
        "at": "2026-01-01T00:00:00Z",
        "details": {},
    }


async def test_counts_have_every_status_and_error_code() -> None:
    """By status, by type and status, and by error code, zeros included."""
    api = Api()
    await api.submit()
    await api.fail((await api.submit(type="build"))["id"], ErrorCode.TIMED_OUT)
    made = await api.submit(type="build")
    await api.start(made["id"])
    none = {"ACCEPTED": 0, "RUNNING": 0, "COMPLETED": 0, "FAILED": 0}
    assert (await api.client.get("/v1/operations/counts")).json() == {
        "by_status": none | {"ACCEPTED": 1, "RUNNING": 1, "FAILED": 1},
        "by_type": {"build": none | {"RUNNING": 1, "FAILED": 1}, "deploy": none | {"ACCEPTED": 1}},
        "by_error_code": dict.fromkeys(ErrorCode, 0) | {"TIMED_OUT": 1},
    }


async def test_a_result_with_a_lone_surrogate_is_json() -> None:
    """The response has an escape sequence; it is no 500."""
    api = Api()
    made = await api.submit()
    await api.complete(made["id"], "\ud800")
    answer = await api.client.get(f"/v1/operations/{made['id']}")
    assert answer.status_code == 200
    assert b'"\\ud800"' in answer.content


def test_a_lone_surrogate_beside_undecoded_json() -> None:
    """In the details of an error, next to the input as the database returns it."""
    made = accept(UUID(int=1), tenant="a", type_name="deploy", value=None, labels={}, cause=cause()).operation
    error = OperationError(ErrorCode.WORKFLOW_FAILED, "boom", {"cause": "\ud800"})
    seen = replace(made, input=JsonText('{"n":1}'), error=error)  # type: ignore[arg-type]
    said = json.loads(json_bytes(PageBody([operation_body(seen)], None)))["items"][0]
    assert (said["input"], said["error"]["details"]) == ({"n": 1}, {"cause": "\ud800"})


async def test_head_is_get_without_its_body() -> None:
    """RFC 9110, 9.3.2: the same headers, content-length included, for errors too."""
    api = Api()
    made = await api.submit()
    for url in (f"/v1/operations/{made['id']}", "/v1/operations", "/nope", "/livez"):
        full, head = await api.client.get(url), await api.client.head(url)
        assert head.content == b""
        assert head.status_code == full.status_code
        ignored = {"x-request-id"}
        assert {k: v for k, v in head.headers.items() if k not in ignored} == {
            k: v for k, v in full.headers.items() if k not in ignored
        }


async def test_options_lists_the_methods() -> None:
    """204 with Allow. Nothing is checked or done."""
    answer = await Api().client.options("/v1/operations", params={"nope": "1"})
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
