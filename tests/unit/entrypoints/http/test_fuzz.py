"""No request causes a 500, and every error is a problem."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrypoints.http.problems.problems import MEDIA_TYPE
from tests.support.http.api import Api, RawAnswer, raw

JSON = (b"content-type", b"application/json")
API = Api()
SACRIFICE = Api()
"""An API whose operation may be cancelled and deleted."""
KNOWN = "019b76da-a800-7000-8000-000000000001"
many = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(max_size=30)
numbers = st.integers() | st.floats() | st.sampled_from([10**400, -(2**64), 1e308, -0.0])
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts | st.characters(categories=["Cs", "Cc"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
names = st.sampled_from(
    [
        "status",
        "type",
        "order",
        "page_size",
        "page_token",
        "accepted_after",
        "accepted_before",
        "label.a",
        "label.",
        "x",
    ]
)
words = st.sampled_from(
    ["RUNNING", "deploy", "-accepted_at", "1", "200", "2026-01-01T00:00:00Z", "%00", "%ed%a0%80", "'"]
)
parameters = st.tuples(names, words | texts.map(lambda text: text.encode("utf-8", "surrogatepass").hex("%")))
queries = st.lists(parameters, max_size=4).map(lambda pairs: "&".join(f"{k}={v}" for k, v in pairs).encode())
headers = st.lists(
    st.tuples(
        st.sampled_from(
            [b"idempotency-key", b"if-none-match", b"if-match", b"x-request-id", b"content-type", b"content-length"]
        ),
        st.binary(max_size=20).filter(lambda value: b"\n" not in value and b"\r" not in value),
    ),
    max_size=3,
)
paths = st.sampled_from(
    ["", "/batch", "/counts", "/durations", "/throughput", f"/{KNOWN}", f"/{KNOWN}/cancel", f"/{KNOWN}/transitions"]
) | texts.map("/".__add__)
methods = st.sampled_from(["GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "X"])


@pytest.fixture(scope="module", autouse=True)
async def known() -> None:
    """Returns the id of an existing operation."""
    for api in (API, SACRIFICE):
        assert (await api.submit())["id"] == KNOWN


def checked(answer: RawAnswer, *, method: str = "GET") -> RawAnswer:
    """Returns the response after checks that hold for every one."""
    assert answer.status < 500, answer
    assert "x-request-id" in answer.headers
    if answer.status >= 400:
        assert answer.headers["content-type"] == MEDIA_TYPE
        if method != "HEAD":
            assert json.loads(answer.body)["status"] == answer.status
    elif answer.body:
        json.loads(answer.body)
    return answer


@many
@given(methods, paths, queries | st.binary(max_size=30), headers, st.binary(max_size=50))
async def test_no_request_causes_a_500(method: str, path: str, query: bytes, given: list[Any], body: bytes) -> None:
    """Random paths, queries, headers and bodies."""
    answer, _ = await raw(SACRIFICE.app, method, f"/v1/operations{path}", query=query, headers=given, chunks=[body])
    checked(answer, method=method)


@many
@given(queries)
async def test_no_query_causes_a_500(query: bytes) -> None:
    """Known and unknown parameters with values of any kind, once and twice."""
    answer = checked((await raw(API.app, "GET", "/v1/operations", query=query))[0])
    assert answer.status in {200, 400}


@many
@given(st.sampled_from(["deploy", "build", "reboot"]), values, st.booleans())
async def test_an_accepted_input_is_returned_unchanged(type_name: str, value: Any, escaped: bool) -> None:
    """Any other is 400 or 422."""
    body = json.dumps({"type": type_name, "input": value}, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    answer = checked((await raw(API.app, "POST", "/v1/operations", headers=[JSON], chunks=[body]))[0])
    assert answer.status in {202, 400, 422}
    if answer.status == 202:
        assert repr(json.loads(answer.body)["input"]) == repr(value)


@many
@given(
    values | st.fixed_dictionaries({}, optional={"type": values, "input": values, "labels": values, "reason": values})
)
async def test_no_json_body_causes_a_500(body: Any) -> None:
    """On both routes with a JSON body."""
    chunk = json.dumps(body).encode()
    for path in ("/v1/operations", f"/v1/operations/{KNOWN}/cancel"):
        answer = checked((await raw(API.app, "POST", path, headers=[JSON], chunks=[chunk]))[0])
        assert answer.status in {202, 400, 409, 422}


submissions = st.fixed_dictionaries(
    {"type": st.sampled_from(["deploy", "reboot"]) | values},
    optional={"input": values, "labels": values, "idempotency_key": st.sampled_from(["a", "b"]) | values},
)


@many
@given(st.lists(submissions | values, min_size=1, max_size=5))
async def test_each_submission_of_a_batch_is_answered_as_if_sent_alone(operations: list[Any]) -> None:
    """A batch that cannot be read is 400."""
    chunk = json.dumps({"operations": operations}).encode()
    answer = checked((await raw(API.app, "POST", "/v1/operations/batch", headers=[JSON], chunks=[chunk]))[0])
    assert answer.status in {200, 400}
    if answer.status == 200:
        items = json.loads(answer.body)["items"]
        assert len(items) == len(operations)
        for place, item in enumerate(items):
            assert item["status"] in {202, 422}
            assert (item["operation"] is None) == (item["status"] == 422)
            for error in (item["problem"] or {}).get("errors", []):
                assert error["pointer"].startswith(f"/operations/{place}")


@many
@given(st.binary(max_size=60), st.lists(st.integers(1, 10), max_size=5))
async def test_the_chunks_of_a_body_do_not_change_the_response(body: bytes, sizes: list[int]) -> None:
    """For any bytes."""
    chunks = []
    rest = body
    for size in sizes:
        chunks.append(rest[:size])
        rest = rest[size:]
    whole, _ = await raw(API.app, "POST", "/v1/operations", headers=[JSON], chunks=[body])
    pieces, _ = await raw(API.app, "POST", "/v1/operations", headers=[JSON], chunks=[*chunks, rest])
    assert checked(pieces).status == checked(whole).status
