"""Access control over HTTP: 401, 403 and 429, before anything else runs."""

import logging
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import get

from application.access.authenticate import CACHE_MAX_AGE
from domain.access.principal import Principal
from domain.access.scope import Scope
from domain.access.token_bucket import Allowance
from entrypoints.http.app import create_app
from entrypoints.http.security.authorization import PUBLIC, routes
from tests.support.http.access import Guarded, bearer
from tests.support.http.api import KEY, Api, problem, raw

ID = "019b76da-a800-7000-8000-0000000000ff"
GUARDED = Guarded()
ROUTES = [(method, path, handler.opt["scope"]) for method, path, handler in routes(GUARDED.app)]
SCOPED = [
    (method, path.format(operation_id=ID, name="deploy"), scope) for method, path, scope in ROUTES if scope != PUBLIC
]
OPEN = {("GET", "/livez"), ("GET", "/readyz"), ("GET", "/metrics"), ("GET", "/openapi.json"), ("GET", "/docs")}
KEYLESS = OPEN | {("GET", "/docs/{name}"), ("POST", "/v1/callbacks/{operation_id}")}


def test_public_routes_are_listed_here() -> None:
    """Probes, metrics, documentation, and callbacks, which have tokens of their own."""
    assert {(method, path) for method, path, scope in ROUTES if scope == PUBLIC} == KEYLESS
    assert {scope for _, _, scope in SCOPED} >= {Scope.READ, Scope.SUBMIT, Scope.CANCEL}


def test_a_route_without_scope_is_refused() -> None:
    """The application does not start, and the error names the route."""

    @get("/v1/new")
    async def new() -> None: ...

    with pytest.raises(ValueError, match=r"no scope= is declared for GET /v1/new$"):
        create_app(GUARDED.services, page_token_key=KEY, access=GUARDED.access, route_handlers=[new])  # type: ignore[arg-type]


@pytest.mark.parametrize(("method", "path", "scope"), SCOPED)
async def test_every_route_requires_credentials(method: str, path: str, scope: Scope) -> None:
    """401 with a challenge, before the body and the query are read."""
    answer, read = await raw(GUARDED.app, method, path, query=b"a=b&a=b", chunks=[b"x"] * 9)
    assert (answer.status, read) == (401, 0)
    assert answer.headers["www-authenticate"] == 'Bearer realm="opledger"'
    assert b"urn:opledger:problem:missing-credentials" in answer.body


@pytest.mark.parametrize(("method", "path", "scope"), SCOPED)
async def test_every_route_requires_its_scope(method: str, path: str, scope: Scope) -> None:
    """403 for a key with all other scopes but admin. The problem names the missing scope."""
    others = [one for one in Scope if one not in (scope, Scope.ADMIN)]
    answer = await GUARDED.ask(method, path, await GUARDED.key("a", *others))
    body = problem(answer, 403)
    assert body["type"] == "urn:opledger:problem:missing-scope"
    assert f"needs the scope {scope};" in body["detail"]
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize(("method", "path", "scope"), SCOPED)
@pytest.mark.parametrize("held", ["its own", "admin"])
async def test_every_route_accepts_its_scope(method: str, path: str, scope: Scope, held: str) -> None:
    """Only that scope, or only admin. A HEAD is a GET, and does not wait for the end of a stream."""
    key = await GUARDED.key("a", Scope.ADMIN if held == "admin" else scope)
    assert (await GUARDED.ask("HEAD" if method == "GET" else method, path, key)).status_code not in (401, 403, 405, 500)


@pytest.mark.parametrize("path", sorted(path for _, path in OPEN))
async def test_public_routes_need_no_credentials(path: str) -> None:
    """An invalid credential changes nothing."""
    for headers in ({}, bearer("nonsense")):
        assert (await GUARDED.client.get(path, headers=headers)).status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/nope", 404), ("PUT", "/v1/operations", 405)])
async def test_the_router_answers_without_credentials(method: str, path: str, status: int) -> None:
    """Unknown routes and methods are the same for every client."""
    problem(await GUARDED.client.request(method, path), status)
    problem(await GUARDED.ask(method, path, await GUARDED.key()), status)


async def test_options_needs_no_credentials() -> None:
    """The methods are public, and no handler runs."""
    answer = await GUARDED.client.options("/v1/operations")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer a b",
        "opl_aaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "Bearer opl_aaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "Bearer opl_",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
        "Bearer " + "x" * 9000,
        "Bearer \xe4",
    ],
)
async def test_invalid_credentials_are_401(header: str) -> None:
    """The problem names the header and the error, and does not repeat the value."""
    answer, _ = await raw(GUARDED.app, "GET", "/v1/operations", headers=[(b"authorization", header.encode("latin-1"))])
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="opledger", error="invalid_token"'
    assert b'"header":"Authorization"' in answer.body
    assert b"aaaaaaaa" not in answer.body
    assert b"xxxxxxxx" not in answer.body


@settings(deadline=None)
@given(st.binary(max_size=60) | st.binary(max_size=60).map(b"Bearer ".__add__) | st.just(b"Bearer opl_" + b"a" * 41))
async def test_no_header_passes_or_breaks_authentication(header: bytes) -> None:
    """Any text."""
    answer, _ = await raw(GUARDED.app, "GET", "/v1/operations", headers=[(b"authorization", header)])
    assert answer.status == 401


async def test_two_credentials_are_refused() -> None:
    """A proxy may have checked the other one."""
    header = (b"authorization", (await GUARDED.key())["Authorization"].encode())
    answer, _ = await raw(GUARDED.app, "GET", "/v1/operations", headers=[header, header])
    assert (answer.status, b"must not be repeated" in answer.body) == (400, True)


async def test_the_401_says_expired_or_revoked() -> None:
    """To a client that has the secret."""
    api = Guarded()
    brief, revoked = await api.key(life=timedelta(seconds=60)), await api.key(name="revoked")
    for key in (brief, revoked):
        assert (await api.ask("GET", "/v1/operations", key)).status_code == 200
    await api.manage.revoke(revoked["Authorization"].split("_")[1])
    api.key_clock.advance(max(CACHE_MAX_AGE, timedelta(seconds=60)))
    for key, word in ((brief, "expired"), (revoked, "revoked")):
        assert word in problem(await api.ask("GET", "/v1/operations", key), 401)["detail"]


async def test_a_jwt_gives_its_subject() -> None:
    """The history names it. While the provider's keys are unavailable, 503."""
    api = Guarded()
    token = bearer(api.tokens.issue(Principal("a", "person", frozenset({Scope.SUBMIT}), "jwt person")))
    made = await api.ask("POST", "/v1/operations", token, json={"type": "deploy"})
    assert made.status_code == 202
    problem(await api.ask("GET", "/v1/operations", token), 403)
    history = await api.ask("GET", f"/v1/operations/{made.json()['id']}/transitions", await api.key())
    assert [line["actor"] for line in history.json()["items"]] == ["person"]
    api.tokens.available = False
    answer = await api.ask("POST", "/v1/operations", token, json={"type": "deploy"})
    assert problem(answer, 503)["type"] == "urn:opledger:problem:identity-provider-unavailable"
    assert answer.headers["retry-after"] == "5"


async def test_the_key_s_name_is_in_the_history() -> None:
    """For the submission and the cancellation request. The key itself is nowhere."""
    api = Guarded()
    key = await api.key(name="deployer")
    made = (await api.ask("POST", "/v1/operations", key, json={"type": "deploy"})).json()
    await api.ask("POST", f"/v1/operations/{made['id']}/cancel", key, json={"reason": "x"})
    answer = await api.ask("GET", f"/v1/operations/{made['id']}/transitions", key)
    assert {line["actor"] for line in answer.json()["items"]} == {"deployer"}
    operation = await api.ask("GET", f"/v1/operations/{made['id']}", key)
    assert operation.json()["cancel_requested"]["by"] == "deployer"
    assert "opl_" not in answer.text + operation.text


async def test_a_key_beyond_its_rate_limit_is_429() -> None:
    """With Retry-After, for that key only. Probes and unknown routes do not count."""
    api = Guarded(Allowance(rate=1, burst=2))
    key, other = await api.key(), await api.key(name="other")
    for _ in range(5):
        await api.client.get("/livez", headers=key)
        await api.client.get("/v1/nope", headers=key)
    for _ in range(2):
        assert (await api.ask("GET", "/v1/operations", key)).status_code == 200
    answer = await api.ask("GET", "/v1/operations", key)
    assert problem(answer, 429)["type"] == "urn:opledger:problem:rate-limited"
    assert answer.headers["retry-after"] == "1"
    assert (await api.ask("GET", "/v1/operations", other)).status_code == 200
    api.key_clock.advance(timedelta(seconds=1))
    assert (await api.ask("GET", "/v1/operations", key)).status_code == 200


async def test_a_key_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Whether it is valid, invalid, or the request fails."""
    api = Guarded()
    key = await api.key("a", Scope.READ)
    with caplog.at_level(logging.DEBUG):
        for headers in (key, bearer("opl_aaaaaaaa_" + "s3cret22" * 4)):
            for method in ("GET", "POST"):
                await api.ask(method, "/v1/operations", headers)
    shown = " ".join(str(vars(record)) for record in caplog.records)
    assert "/v1/operations" in shown
    assert key["Authorization"].rpartition("_")[2] not in shown
    assert "s3cret22" not in shown


def kinds(operation: dict[str, Any]) -> set[str]:
    """Returns the problems that an operation documents."""
    contents = [response.get("content", {}) for response in operation["responses"].values()]
    return {name for content in contents for media in content.values() for name in media.get("examples", {})}


async def test_the_document_has_the_security_of_each_route() -> None:
    """Scheme, scope and the three errors on routes that need credentials, and nothing on public ones."""
    documents: list[dict[str, Any]] = [(await api.client.get("/openapi.json")).json() for api in (GUARDED, Api())]
    for method, path, scope in ROUTES:
        controlled, uncontrolled = (document["paths"].get(path, {}).get(method.lower()) for document in documents)
        if controlled is None:
            assert scope == PUBLIC
        elif scope == PUBLIC:
            assert controlled == uncontrolled
        else:
            assert controlled["security"] == [{"bearer": [scope]}]
            assert {"missing-credentials", "missing-scope", "rate-limited"} <= kinds(controlled)
            assert "security" not in uncontrolled
            assert not {"missing-credentials", "missing-scope", "rate-limited"} & kinds(uncontrolled)
    assert "bearer" in documents[0]["components"]["securitySchemes"]
    assert "bearer" not in documents[1]["components"]["securitySchemes"]
