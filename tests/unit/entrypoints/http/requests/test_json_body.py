"""Parsing of bodies: I-JSON of limited size and depth."""

import json

import pytest

from entrypoints.http.problems.kinds import MAX_BODY
from entrypoints.http.problems.problems import MalformedBody
from entrypoints.http.requests.json_body import MAX_DEPTH, parse_json
from tests.support.http.api import Api, problem, raw

JSON = {"content-type": "application/json"}


def nested(depth: int) -> bytes:
    """Returns a submission of that depth."""
    inner = depth - 1
    return b'{"type":"deploy","input":' + b"[" * inner + b"]" * inner + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n",
        b"{",
        b"{]",
        b"type=deploy",
        b'{"type":"deploy",}',
        b"{'type':'deploy'}",
        b'{"type":"deploy"} {}',
        b'{"type":"deploy","type":"build"}',
        b'{"type":"deploy","input":{"a":[{"b":1,"b":1}]}}',
        b'{"type":"deploy","input":NaN}',
        b'{"type":"deploy","input":-Infinity}',
        b'{"type":"deploy","input":1e999}',
        b'{"type":"deploy","input":-1E400}',
        b'{"type":"deploy","input":' + b"9" * 5000 + b"}",
        b'{"type":"deploy","input":-' + b"9" * 309 + b"}",
        b'{"type":"deploy","input":"\\u0000"}',
        b'{"type":"deploy","input":{"\\u0000":1}}',
        b'{"type":"deploy","input":"\\ud800"}',
        b'{"type":"deploy","input":"\\udc00\\ud800"}',
        b'{"type":"deploy\\u0000"}',
        b'\xef\xbb\xbf{"type":"deploy"}',
        '{"type":"deploy"}'.encode("utf-16"),
        b'{"type":"\xff"}',
        b'{"type":"\xed\xa0\x80"}',
        nested(MAX_DEPTH + 1),
        nested(5_000),
        b"[" * 200_000,
        b'{"a":' * 40_000,
    ],
    ids=lambda body: repr(body[:30]),
)
async def test_an_unreadable_body_is_400(body: bytes) -> None:
    """Hazard 28: not JSON, ambiguous, beyond a double, beyond what can be stored, too deep. Never a 500."""
    api = Api()
    problem(await api.client.post("/v1/operations", content=body, headers=JSON), 400)
    assert (await api.client.get("/v1/operations")).json()["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        nested(MAX_DEPTH),
        b'{"type":"deploy","input":1.7976931348623157e308}',
        b'{"type":"deploy","input":' + b"9" * 308 + b"}",
        b'{"type":"deploy","input":"\\ud834\\udd1e \\u007f"}',
        b' \r\n{"type":"deploy"}\t',
    ],
    ids=lambda body: repr(body[:30]),
)
async def test_a_body_at_the_limit_is_accepted(body: bytes) -> None:
    """The limits are the documented ones."""
    assert (await Api().client.post("/v1/operations", content=body, headers=JSON)).status_code == 202


async def test_a_body_of_256_kib_is_accepted_and_one_more_byte_is_413() -> None:
    """The limit is in bytes."""
    api = Api()
    body = b'{"type":"deploy","input":"' + b"x" * (MAX_BODY - 28) + b'"}'
    assert len(body) == MAX_BODY
    assert (await api.client.post("/v1/operations", content=body, headers=JSON)).status_code == 202
    answer = await api.client.post("/v1/operations", content=body + b" ", headers=JSON)
    assert problem(answer, 413)["type"] == "urn:opledger:problem:body-too-large"


async def test_a_large_body_is_not_read_to_its_end() -> None:
    """Hazard 28: with Content-Length nothing is read before the response, without it no more than the limit. The
    rest is discarded for a moment, so that the client sees the response; then the connection is closed."""
    api = Api()
    chunks = [b"x" * 65_536] * 1_000
    typed = (b"content-type", b"application/json")
    answer, read = await raw(
        api.app, "POST", "/v1/operations", headers=[typed, (b"content-length", b"65536000")], chunks=chunks
    )
    assert (answer.status, read) == (413, 0)
    assert answer.headers["connection"] == "close"
    unsized = [typed, (b"transfer-encoding", b"chunked")]
    answer, read = await raw(api.app, "POST", "/v1/operations", headers=unsized, chunks=chunks)
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    assert read <= MAX_BODY // 65_536 + 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/merge-patch+json"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": ""},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
async def test_a_body_of_another_content_type_is_415(headers: dict[str, str]) -> None:
    """The content is not inspected."""
    problem(await Api().client.post("/v1/operations", content=b'{"type":"deploy"}', headers=headers), 415)


@pytest.mark.parametrize("declared", ["application/json; charset=UTF-8", 'Application/JSON;charset="utf-8"'])
async def test_the_content_type_may_have_a_charset(declared: str) -> None:
    """RFC 9110, 8.3.1: types and parameter names are case-insensitive."""
    headers = {"content-type": declared}
    answer = await Api().client.post("/v1/operations", content=b'{"type":"deploy"}', headers=headers)
    assert answer.status_code == 202


async def test_a_disconnect_within_a_body_is_no_internal_error(caplog: pytest.LogCaptureFixture) -> None:
    """An incomplete body is 400, without a stack trace."""
    headers = [(b"content-type", b"application/json"), (b"content-length", b"100")]
    answer, _ = await raw(Api().app, "POST", "/v1/operations", headers=headers, chunks=[])
    assert answer.status == 400
    assert not [record for record in caplog.records if record.exc_info]


def test_an_error_shortens_a_long_name() -> None:
    """Error messages have a limit, whatever the request."""
    name = "x" * 10_000
    with pytest.raises(MalformedBody) as caught:
        parse_json(f'{{"{name}":1,"{name}":2}}'.encode())
    assert len(json.dumps(str(caught.value))) < 200
