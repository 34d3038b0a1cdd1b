"""POST /v1/callbacks/{id}: a callback without a valid token is refused by its headers."""

import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from application.ports.engine.workflow_engine import EngineUnavailable
from application.ports.monitoring.metrics import CallbackOutcome
from application.ports.storage.operation_repository import StaleOperation
from application.ports.storage.unit_of_work import DatabaseUnavailable
from domain.access.callback_token import TOKEN_HEADER, CallbackKeys
from entrypoints.http.controllers.callbacks import MAX_CALLBACK
from tests.support.http.api import KEYS, Api, problem, raw

ID = UUID("019b76da-a800-7000-8000-000000000001")
PATH = f"/v1/callbacks/{ID}"
TOKEN = KEYS.sign(ID, "some tenant")
HEADER = (TOKEN_HEADER.encode(), TOKEN.encode())
API = Api()
NOWHERE = {CallbackOutcome.UNKNOWN_OPERATION, CallbackOutcome.DELETED}
many = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


async def called(api: Api, body: bytes = b"{}", **headers: str) -> httpx.Response:
    """Sends a genuine callback."""
    sent = {TOKEN_HEADER: TOKEN, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return await api.client.post(PATH, content=body, headers=sent)


@pytest.mark.parametrize("outcome", sorted(set(CallbackOutcome) - NOWHERE))
async def test_every_outcome_is_204(outcome: CallbackOutcome) -> None:
    """Also for an unreadable body, because Temporal would repeat it for ever. The service counts the outcomes."""
    api = Api()
    api.receiver.answer = outcome
    answer = await called(api)
    assert (answer.status_code, answer.content) == (204, b"")
    assert not api.metrics.callbacks


async def test_headers_and_body_are_passed_on() -> None:
    """Header names in lower case, repeated ones joined, the tenant from the token, the body unchanged. The token is
    not passed on."""
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
async def test_a_callback_without_its_token_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    """401 with a challenge before the body is read, and counted. A query changes nothing."""
    api = Api()
    answer, read = await raw(api.app, "POST", PATH, query=b"a=b", headers=headers, chunks=[b"x"] * 9)
    assert (answer.status, read) == (401, 0)
    assert answer.headers["www-authenticate"] == TOKEN_HEADER
    assert json.loads(answer.body)["type"] == "urn:opledger:problem:unauthorized-callback"
    assert TOKEN not in answer.body.decode()
    assert not api.receiver.received
    assert api.metrics.callbacks == {CallbackOutcome.UNAUTHORIZED: 1}


async def test_every_callback_is_refused_where_callbacks_are_off() -> None:
    """There is no key to verify one."""
    api = Api(callback_keys=None)
    problem(await called(api), 401)
    assert not api.receiver.received


async def test_a_token_of_the_previous_key_is_valid() -> None:
    """Key rotation: open executions keep the token of their start."""
    api = Api(callback_keys=CallbackKeys({"second": "x" * 32, **KEYS.secrets}))
    assert (await called(api)).status_code == 204


async def test_a_callback_of_a_deleted_operation_is_404() -> None:
    """Which is final. A 503 would be retried for as long as the engine knows the execution, and a few of them block
    all other callbacks."""
    api = Api()
    api.receiver.answer = CallbackOutcome.DELETED
    assert problem(await called(api), 404)["type"] == "urn:opledger:problem:operation-not-found"


async def test_a_callback_before_the_row_is_visible_is_503() -> None:
    """The engine calls again."""
    api = Api()
    api.receiver.answer = CallbackOutcome.UNKNOWN_OPERATION
    answer = await called(api)
    assert problem(answer, 503)["detail"] == "The operation does not exist yet. Retry."
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("cause", [DatabaseUnavailable(), StaleOperation(), EngineUnavailable()])
async def test_a_temporary_error_is_503(cause: Exception) -> None:
    """With Retry-After. A 404 would be final."""
    api = Api()
    api.receiver.answer = cause
    answer = await called(api)
    problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0


@pytest.mark.parametrize("declared", [True, False])
async def test_a_callback_has_a_size_limit_of_its_own(declared: bool) -> None:
    """3 MiB, named in the 413, with and without content-length."""
    for size, status in ((MAX_CALLBACK, 204), (MAX_CALLBACK + 1, 413)):
        api = Api()
        chunks = [b"x" * 65_536] * (size // 65_536) + [b"x" * (size % 65_536)]
        length = [(b"content-length", b"%d" % size)] if declared else []
        answer, _ = await raw(api.app, "POST", PATH, headers=[HEADER, *length], chunks=chunks)
        assert answer.status == status
        assert len(api.receiver.received) == (status == 204)
    assert str(MAX_CALLBACK) in json.loads(answer.body)["detail"]


async def test_an_incomplete_body_is_not_applied() -> None:
    """The client disconnected."""
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
async def test_any_content_type_is_accepted(content_type: str | None) -> None:
    """The rules for the JSON of clients do not apply, nor those for content codings."""
    api = Api()
    headers = {} if content_type is None else {"content_type": content_type}
    assert (await called(api, b"[1, NaN", content_encoding="br", **headers)).status_code == 204


async def test_an_invalid_url_is_refused() -> None:
    """As everywhere: 404 for an invalid id, 405 for another method, 400 for an unknown parameter."""
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
async def test_no_headers_or_bytes_cause_a_500(
    given_tokens: list[bytes], given_headers: list[tuple[bytes, bytes]], chunks: list[bytes], query: bytes
) -> None:
    """And none pass without the token."""
    API.receiver.received.clear()
    sent = [*((TOKEN_HEADER.encode(), token) for token in given_tokens), *given_headers]
    answer, _ = await raw(API.app, "POST", PATH, query=query, headers=sent, chunks=chunks)
    assert answer.status in {204, 400, 401, 403, 413}
    assert bool(API.receiver.received) == (answer.status == 204)
    if answer.status == 204:
        assert [value for name, value in sent if name.lower() == TOKEN_HEADER.lower().encode()] == [TOKEN.encode()]
        assert API.receiver.received[0][2].body == b"".join(chunks)
