"""Framing of requests on a real socket: trailers, lengths, codings, targets and versions."""

import json
from typing import Any
from uuid import UUID

import pytest
from litestar.enums import ScopeType
from litestar.types import Receive, Scope, Send

from domain.access.callback_token import TOKEN_HEADER
from entrypoints.http.server import body_limits, head_limits, request_body
from entrypoints.http.server.head_limits import MAX_PIPELINED
from entrypoints.http.server.middleware import RequestMiddleware
from entrypoints.http.server.slow_readers import HttpServerProtocol
from tests.support.http.access import Guarded
from tests.support.http.api import KEYS, Api, problem
from tests.support.http.raw import Connection, ask, chunked, head
from tests.support.http.served import served

ID = "019b76da-a800-7000-8000-000000000001"
JSON = ("Content-Type", "application/json")
CHUNKED = ("Transfer-Encoding", "chunked")
DEPLOY = b'{"type": "deploy"}'


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Responds with the headers and the body that an application sees after it has read the body."""
    if scope["type"] != ScopeType.HTTP:
        return
    body = b""
    while True:
        message: Any = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or not message["more_body"]:
            break
    seen = {"headers": [name.decode() for name, _ in scope["headers"]], "body": body.decode()}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(seen).encode(), "more_body": False})


ECHO = RequestMiddleware(echo, lambda *_: None)
NAMES = [
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Cookie",
    "Expect",
    "Host",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Origin",
    TOKEN_HEADER,
    "Prefer",
    "Sec-Fetch-Site",
    "Traceparent",
    "X-Forwarded-Prefix",
    "X-Request-Id",
]


@pytest.fixture(autouse=True)
def hangs_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server closes a connection soon after a refusal: every test of one waits for that."""
    monkeypatch.setattr(head_limits, "LINGER_SECONDS", 0.1)
    monkeypatch.setattr(body_limits, "CUT_OFF_LINGER_SECONDS", 0.1)


@pytest.mark.parametrize("name", NAMES)
async def test_a_trailer_is_ignored(name: str) -> None:
    """RFC 9110, 6.5.1. The body and the next request arrive."""
    async with served(ECHO, HttpServerProtocol) as port:
        connection = await Connection.open(port)
        for _ in range(2):
            await connection.send(head("POST", "/", [CHUNKED]), chunked(b"one", b"two", trailers=[(name, "1")] * 2))
            assert (await connection.answer()).json() == {"headers": ["host", "transfer-encoding"], "body": "onetwo"}
        connection.close()


@pytest.mark.parametrize("trailer", [("Content-Length", "5"), CHUNKED], ids=["length", "coding"])
async def test_framing_in_a_trailer_is_refused(trailer: tuple[str, str]) -> None:
    """400: framing must not follow the body."""
    async with served(Api().app, HttpServerProtocol) as port:
        request = head("POST", "/v1/operations", [CHUNKED, JSON]) + chunked(DEPLOY, trailers=[trailer])
        assert problem(await ask(port, request), 400)["type"] == "urn:opledger:problem:malformed-body"


async def test_credentials_in_a_trailer_are_ignored() -> None:
    """The response is that to missing credentials."""
    api = Guarded()
    key = await api.key()
    async with served(api.app, HttpServerProtocol) as port:
        request = head("POST", "/v1/operations", [CHUNKED, JSON]) + chunked(DEPLOY, trailers=key.items())
        assert problem(await ask(port, request), 401)["type"] == "urn:opledger:problem:missing-credentials"


async def test_a_callback_token_in_a_trailer_is_ignored() -> None:
    """Nothing is recorded."""
    api = Api()
    token = KEYS.sign(UUID(ID), "default")
    async with served(api.app, HttpServerProtocol) as port:
        start = head("POST", f"/v1/callbacks/{ID}", [CHUNKED])
        assert problem(await ask(port, start + chunked(b"{}", trailers=[(TOKEN_HEADER, token)])), 401)
        accepted = head("POST", f"/v1/callbacks/{ID}", [CHUNKED, (TOKEN_HEADER, token)])
        assert (await ask(port, accepted + chunked(b"{}"))).status_code == 204
    assert len(api.receiver.received) == 1


async def test_an_idempotency_key_in_a_trailer_is_ignored() -> None:
    """Two submissions are two operations."""
    request = head("POST", "/v1/operations", [CHUNKED, JSON])
    request += chunked(DEPLOY, trailers=[("Idempotency-Key", "one")])
    async with served(Api().app, HttpServerProtocol) as port:
        first, second = await ask(port, request), await ask(port, request)
    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] != second.json()["id"]


BAD_HEADS = {
    "a length of zeros": ([("Content-Length", "0" * 4400)], 400),
    "a length of nines": ([("Content-Length", "9" * 4400)], 400),
    "a length of 16 digits": ([("Content-Length", "0" * 15 + "5")], 400),
    "a length with a sign": ([("Content-Length", "+5")], 400),
    "a negative length": ([("Content-Length", "-5")], 400),
    "a length in hexadecimal": ([("Content-Length", "0x5")], 400),
    "a length with an underscore": ([("Content-Length", "1_0")], 400),
    "an empty length": ([("Content-Length", "")], 400),
    "a list of lengths": ([("Content-Length", "5, 5")], 400),
    "the same length twice": ([("Content-Length", "5"), ("Content-Length", "5")], 400),
    "two lengths": ([("Content-Length", "5"), ("Content-Length", "6")], 400),
    "length, then coding": ([("Content-Length", "5"), CHUNKED], 400),
    "coding, then length": ([CHUNKED, ("Content-Length", "5")], 400),
    "an unknown coding": ([("Transfer-Encoding", "xchunked")], 501),
    "an unsupported coding": ([("Transfer-Encoding", "gzip, chunked")], 501),
    "chunked twice": ([("Transfer-Encoding", "chunked, chunked")], 400),
    "chunked in two headers": ([CHUNKED, CHUNKED], 400),
    "chunked not last": ([("Transfer-Encoding", "chunked, gzip")], 400),
    "identity": ([("Transfer-Encoding", "identity")], 501),
    "an empty coding": ([("Transfer-Encoding", "")], 400),
    "a quoted coding": ([("Transfer-Encoding", '"chunked"')], 501),
    "a second host": ([("Host", "localhost")], 400),
    "a folded line": ([("X", "a\r\n b")], 400),
    "a bare line feed": ([("X", "a\nContent-Length: 5")], 400),
    "a bare carriage return": ([("X", "a\rb")], 400),
    "a null": ([("X", "a\0b")], 400),
    "a space before the colon": ([("X ", "a")], 400),
    "no name": ([("", "a")], 400),
}


@pytest.mark.parametrize("name", BAD_HEADS)
async def test_an_ambiguous_head_is_refused_before_authentication(name: str) -> None:
    """With a problem. The connection is closed, because the start of the next request is uncertain."""
    headers, status = BAD_HEADS[name]
    async with served(Guarded().app, HttpServerProtocol) as port:
        connection = await Connection.open(port)
        await connection.send(head("POST", "/v1/operations", [JSON, *headers]) + b"5\r\nhello\r\n0\r\n\r\n")
        answer = await connection.answer()
        assert problem(answer, status)["detail"]
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-request-id"]
        assert await connection.closed() == b""


@pytest.mark.parametrize(
    "line",
    [
        b"GET /livez#fragment HTTP/1.1",
        b"GET http://user@localhost/livez HTTP/1.1",
        b"GET ftp://localhost/livez HTTP/1.1",
        b"GET livez HTTP/1.1",
        b"GET /\xc3\xa4 HTTP/1.1",
        b"CONNECT localhost:80 HTTP/1.1",
        b"CONNECT /livez HTTP/1.1",
        b"NONSENSE /livez HTTP/1.1",
        b"GET /livez HTTP/1.2",
        b"GET /livez",
    ],
)
async def test_an_invalid_request_line_is_a_problem(line: bytes) -> None:
    """400, or 505 for a version."""
    async with served(Api().app, HttpServerProtocol) as port:
        answer = await ask(port, line + b"\r\nHost: localhost\r\n\r\n")
    problem(answer, 505 if answer.status_code == 505 else 400)


async def test_http_2_in_the_request_line_is_505() -> None:
    """The server speaks HTTP/1.0 and HTTP/1.1."""
    async with served(Api().app, HttpServerProtocol) as port:
        answer = await ask(port, head("GET", "/livez", version="2.0"))
    assert problem(answer, 505)["type"] == "urn:opledger:problem:unsupported-http-version"


async def test_http_1_1_without_host_is_400() -> None:
    """RFC 9112, 3.2."""
    async with served(Api().app, HttpServerProtocol) as port:
        assert "Host" in problem(await ask(port, b"GET /livez HTTP/1.1\r\n\r\n"), 400)["detail"]


async def test_the_host_of_an_absolute_target_counts() -> None:
    """RFC 9112, 3.2.2: the Host header is ignored."""
    async with served(Api().app, HttpServerProtocol) as port:
        assert (await ask(port, head("GET", "http://127.0.0.1/livez"))).status_code == 200
        assert problem(await ask(port, head("GET", "http://ledger.example/livez")), 421)


BROKEN = {
    "no size": b"\r\n{}\r\n",
    "a size that is no number": b"zz\r\n",
    "a size with a sign": b"+5\r\nhello\r\n",
    "a size beyond all numbers": b"f" * 40 + b"\r\n",
    "a chunk longer than its size": b"5\r\nhello world\r\n",
    "a line feed alone": b"5\nhello\n0\n\n",
    "an extension without end": b"5;" + b"x" * 1_000_000,
    "a broken trailer": b"2\r\n{}\r\n0\r\nno colon\r\n\r\n",
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("apart", [False, True], ids=["in one piece", "after the head"])
async def test_broken_chunks_are_400(name: str, apart: bool) -> None:
    """With the headers of every response; then the connection is closed."""
    start = head("POST", "/v1/operations", [CHUNKED, JSON, ("X-Request-Id", "one")])
    async with served(Api().app, HttpServerProtocol) as port:
        connection = await Connection.open(port)
        await connection.send(*([start, BROKEN[name]] if apart else [start + BROKEN[name]]))
        answer = await connection.answer()
        assert problem(answer, 400)["type"] == "urn:opledger:problem:malformed-body"
        assert (answer.headers["connection"], answer.headers["x-request-id"]) == ("close", "one")
        assert await connection.closed() == b""


async def test_broken_chunks_of_a_callback_are_400() -> None:
    """Temporal does not retry it."""
    token = KEYS.sign(UUID(ID), "default")
    async with served(Api().app, HttpServerProtocol) as port:
        start = head("POST", f"/v1/callbacks/{ID}", [CHUNKED, (TOKEN_HEADER, token)])
        problem(await ask(port, start, b"zz\r\n"), 400)


async def test_broken_chunks_end_a_wait() -> None:
    """Whatever it waits for."""
    api = Api()
    made = await api.submit()
    async with served(api.app, HttpServerProtocol) as port:
        connection = await Connection.open(port)
        await connection.send(head("GET", f"/v1/operations/{made['id']}?wait=50s", [CHUNKED]), b"zz\r\n")
        await connection.closed()
    assert api.waiters.empty


async def test_broken_chunks_are_answered_after_the_earlier_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long that takes: longer than the time in which a refused body is discarded."""
    for module in (request_body, body_limits):
        monkeypatch.setattr(module, "LINGER_SECONDS", 0.5)
    api = Api()
    made = await api.submit()
    async with served(api.app, HttpServerProtocol) as port:
        connection = await Connection.open(port)
        broken = head("POST", "/v1/operations", [CHUNKED, JSON]) + b"zz\r\n"
        await connection.send(head("GET", f"/v1/operations/{made['id']}?wait=1s") + broken)
        assert (await connection.answer()).status_code == 200
        problem(await connection.answer(), 400)
        assert await connection.closed() == b""


async def test_a_malformed_request_is_answered_after_the_earlier_one() -> None:
    """Responses have the order of the requests."""
    api = Api()
    made = await api.submit()
    async with served(api.app, HttpServerProtocol) as port:
        connection = await Connection.open(port)
        await connection.send(head("GET", f"/v1/operations/{made['id']}?wait=1s") + b"nonsense\r\n\r\n")
        assert (await connection.answer()).status_code == 200
        problem(await connection.answer(), 400)
        assert await connection.closed() == b""


async def test_an_upgrade_is_ignored() -> None:
    """The request and the next one are answered."""
    upgrade = [("Connection", "Upgrade"), ("Upgrade", "h2c")]
    async with served(Api().app, HttpServerProtocol) as port:
        connection = await Connection.open(port)
        await connection.send(head("GET", "/livez", upgrade) + head("GET", "/nope"))
        assert [(await connection.answer()).status_code for _ in range(2)] == [200, 404]
        sized = head("POST", "/v1/operations", [*upgrade, JSON, ("Content-Length", str(len(DEPLOY)))])
        await connection.send(sized + DEPLOY)
        answer = await connection.answer()
        assert answer.status_code == 202, answer.text
        connection.close()


async def test_pipelined_requests_are_limited() -> None:
    """Those within the limit are answered in order; the next one is refused."""
    api = Api()
    made = await api.submit()
    async with served(api.app, HttpServerProtocol) as port:
        connection = await Connection.open(port)
        wait = head("GET", f"/v1/operations/{made['id']}?wait=500ms")
        await connection.send(wait + head("GET", "/livez") * (MAX_PIPELINED + 50))
        answers = [(await connection.answer()).status_code for _ in range(MAX_PIPELINED + 2)]
        assert answers == [200] * (MAX_PIPELINED + 1) + [429]
        assert await connection.closed() == b""


@pytest.mark.parametrize("path", ["/v1/operations/{}/events", "/v1/operations/{}", "/v1/operations", "/docs", "/nope"])
async def test_an_http_1_0_response_has_no_chunks(path: str) -> None:
    """The body ends with the connection."""
    api = Api()
    made = await api.submit()
    await api.complete(made["id"], 1)
    async with served(api.app, HttpServerProtocol) as port:
        connection = await Connection.open(port)
        await connection.send(head("GET", path.format(made["id"]), [("Connection", "keep-alive")], version="1.0"))
        received = await connection.closed()
        newer = await ask(port, head("GET", path.format(made["id"]), [("Connection", "close")]))
    top, _, body = received.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in top
    assert b"connection: close" in top
    assert body == newer.content


async def test_an_http_1_0_head_response_has_no_body() -> None:
    """And no chunks."""
    async with served(ECHO, HttpServerProtocol) as port:
        connection = await Connection.open(port)
        await connection.send(head("HEAD", "/", version="1.0"))
        received = await connection.closed()
        assert received.endswith(b"\r\n\r\n")
        assert b"transfer-encoding" not in received


async def test_http_1_0_ignores_codings_and_expect() -> None:
    """Neither exists in that version."""
    async with served(Api().app, HttpServerProtocol) as port:
        assert problem(await ask(port, head("POST", "/v1/operations", [CHUNKED], version="1.0")), 400)
        expecting = [("Expect", "100-continue"), JSON, ("Content-Length", str(len(DEPLOY)))]
        assert (await ask(port, head("POST", "/v1/operations", expecting, version="1.0"), DEPLOY)).status_code == 202
        assert (await ask(port, head("POST", "/v1/operations", expecting), DEPLOY)).status_code == 100
