"""POST /v1/callbacks/{id}: only a genuine callback gets any further than its headers."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from application.ports.metrics import CallbackOutcome
from application.ports.operation_repository import StaleOperation
from application.ports.unit_of_work import DatabaseUnavailable
from application.ports.workflow_engine import EngineUnavailable
from domain.access.callback_token import TOKEN_HEADER, CallbackKeys
from entrypoints.http.controllers.callbacks import MAX_CALLBACK
from tests.support.http_api import KEYS, Api, problem, raw

ID = UUID("019b76da-a800-7000-8000-000000000001")
PATH = f"/v1/callbacks/{ID}"
TOKEN = KEYS.sign(ID, "some tenant")
HEADER = (TOKEN_HEADER.encode(), TOKEN.encode())
API = Api()
NOWHERE = {CallbackOutcome.UNKNOWN_OPERATION, CallbackOutcome.DELETED}
many = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


async def called(api: Api, body: bytes = b"{}", **headers: str) -> httpx.Response:
    """A genuine callback."""
    sent = {TOKEN_HEADER: TOKEN, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await api.client.post(PATH, content=body, headers=sent)


@pytest.mark.parametrize("outcome", sorted(set(CallbackOutcome) - NOWHERE))
async def test_whatever_came_of_it_is_204(outcome: CallbackOutcome) -> None:
    """A poison body too: Temporal would send it for ever. The service counts what it has seen, and nobody else."""
    api = Api()
    api.receiver.answer = outcome
    answer = await called(api)
    assert (answer.status_code, answer.content) == (204, b"")
    assert not api.metrics.callbacks


async def test_the_message_is_handed_on_as_it_came() -> None:
    """Names in lower case, repeated ones joined, the tenant out of the token, the body byte by byte; not the token."""
    api = Api(tenant="nobody asks for this one")
    headers = [HEADER, (b"Nexus-Link", b"<a>"), (b"NEXUS-Link", b"<b>"), (b"Content-Type", b"text/x-\xe4")]
    answer, _ = await raw(api.app, "POST", PATH, headers=headers, chunks=[b"\xff\x00", b"", b"not JSON"])
    assert answer.status == 204
    [(operation_id, tenant, message)] = api.receiver.received
    assert (operation_id, tenant, message.body) == (ID, "some tenant", b"\xff\x00not JSON")
    assert message.headers == {"nexus-link": "<a>, <b>", "content-type": "text/x-ä"}


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(TOKEN_HEADER.encode(), b"")],
        [(TOKEN_HEADER.encode(), b"first.ZGVmYXVsdA.AAAA")],
        [(TOKEN_HEADER.encode(), KEYS.sign(UUID(int=7), "some tenant").encode())],
        [(TOKEN_HEADER.encode(), CallbackKeys({"first": "o" * 32}).sign(ID, "some tenant").encode())],
        [(TOKEN_HEADER.encode(), TOKEN.encode() + b"A")],
        [(TOKEN_HEADER.encode(), b"\xff")],
        [HEADER, HEADER],
        [(b"authorization", TOKEN.encode())],
    ],
)
async def test_without_its_token_nothing_is_done(headers: list[tuple[bytes, bytes]]) -> None:
    """401 before a byte of the body is read, with a challenge, and counted; a query does not change that."""
    api = Api()
    answer, read = await raw(api.app, "POST", PATH, query=b"a=b", headers=headers, chunks=[b"x"] * 9)
    assert (answer.status, read) == (401, 0)
    assert answer.headers["www-authenticate"] == TOKEN_HEADER
    assert json.loads(answer.body)["type"] == "urn:opledger:problem:unauthorized-callback"
    assert TOKEN not in answer.body.decode()
    assert not api.receiver.received
    assert api.metrics.callbacks == {CallbackOutcome.UNAUTHORIZED: 1}


async def test_where_callbacks_are_off_each_is_refused() -> None:
    """Nobody can tell a genuine one."""
    api = Api(callback_keys=None)
    problem(await called(api), 401)
    assert not api.receiver.received


async def test_the_key_before_still_counts() -> None:
    """Rotation: executions that are open keep the token that they were started with."""
    api = Api(callback_keys=CallbackKeys({"second": "x" * 32, **KEYS.secrets}))
    assert (await called(api)).status_code == 204


async def test_an_operation_that_was_deleted() -> None:
    """404, which is final. A 503 would be repeated for as long as the engine knows the execution, and a few of them
    stop the calls for everything else."""
    api = Api()
    api.receiver.answer = CallbackOutcome.DELETED
    assert problem(await called(api), 404)["type"] == "urn:opledger:problem:operation-not-found"


async def test_an_operation_that_is_not_there_yet() -> None:
    """503: the call comes again."""
    api = Api()
    api.receiver.answer = CallbackOutcome.UNKNOWN_OPERATION
    answer = await called(api)
    assert problem(answer, 503)["detail"] == "The operation does not exist yet. Retry."
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("cause", [DatabaseUnavailable(), StaleOperation(), EngineUnavailable()])
async def test_what_may_pass_is_asked_for_again(cause: Exception) -> None:
    """A 404 would be final: 503 with Retry-After."""
    api = Api()
    api.receiver.answer = cause
    answer = await called(api)
    problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("declared", [True, False])
async def test_its_size_limit_is_its_own(declared: bool) -> None:
    """3 MiB, whether the length is said or found out; 413 says so."""
    for size, status in ((MAX_CALLBACK, 204), (MAX_CALLBACK + 1, 413)):
        api = Api()
        chunks = [b"x" * 65_536] * (size // 65_536) + [b"x" * (size % 65_536)]
        length = [(b"content-length", b"%d" % size)] if declared else []
        answer, _ = await raw(api.app, "POST", PATH, headers=[HEADER, *length], chunks=chunks)
        assert answer.status == status
        assert len(api.receiver.received) == (status == 204)
    assert str(MAX_CALLBACK) in json.loads(answer.body)["detail"]


async def test_a_body_that_breaks_off_is_not_taken() -> None:
    """Half a message says nothing."""
    api = Api()
    messages = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]
    answers: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        answers.append(message)

    scope: Any = {"type": "http", "method": "POST", "path": PATH, "query_string": b"", "headers": [HEADER]}
    await api.app(scope, receive, send)
    assert answers[0]["status"] == 503
    assert not api.receiver.received


@pytest.mark.parametrize("content_type", ["application/json", "application/x-temporal-payload", "nonsense", None])
async def test_any_content_type_is_taken(content_type: str | None) -> None:
    """The rules for a client's JSON do not apply, nor does one about content codings."""
    api = Api()
    headers = {} if content_type is None else {"content_type": content_type}
    assert (await called(api, b"[1, NaN", content_encoding="br", **headers)).status_code == 204


async def test_what_is_no_callback_url() -> None:
    """As everywhere: 404 for an id that is none, 405 for another method, 400 for a parameter that there is not."""
    api = Api()
    problem(await api.client.post("/v1/callbacks/nope", headers={TOKEN_HEADER: TOKEN}), 404)
    assert problem(await api.client.get(PATH), 405)
    problem(await api.client.post(f"{PATH}?a=b", headers={TOKEN_HEADER: TOKEN}), 400)
    assert not api.receiver.received


lines = st.binary(max_size=30).filter(lambda value: b"\n" not in value and b"\r" not in value)
names = st.sampled_from(
    [b"content-type", b"content-length", b"content-encoding", b"transfer-encoding", b"nexus-operation-state", b"host"]
)
headers = st.lists(st.tuples(names | lines, lines), max_size=5)
tokens = st.sampled_from([TOKEN.encode(), TOKEN.encode()[:-1], b"first..", b"..", b"first.\xff."]) | lines


@many
@given(st.lists(tokens, max_size=2), headers, st.lists(st.binary(max_size=40), min_size=1, max_size=3), lines)
async def test_any_headers_and_bytes(
    given_tokens: list[bytes], given_headers: list[tuple[bytes, bytes]], chunks: list[bytes], query: bytes
) -> None:
    """Never 500, and never past the door without the token."""
    API.receiver.received.clear()
    sent = [*((TOKEN_HEADER.encode(), token) for token in given_tokens), *given_headers]
    answer, _ = await raw(API.app, "POST", PATH, query=query, headers=sent, chunks=chunks)
    assert answer.status in {204, 400, 401, 403, 413}
    assert bool(API.receiver.received) == (answer.status == 204)
    if answer.status == 204:
        assert [value for name, value in sent if name.lower() == TOKEN_HEADER.lower().encode()] == [TOKEN.encode()]
        assert API.receiver.received[0][2].body == b"".join(chunks)
