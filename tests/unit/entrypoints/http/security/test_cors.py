"""CORS: pages of allowed origins can read every response, and no other pages."""

from typing import Any

import httpx
import pytest

from application.ports.storage.unit_of_work import DatabaseUnavailable
from application.watch.read import ReadOperations
from application.watch.waiter_limit import WaiterLimit
from domain.access.token_bucket import Allowance
from entrypoints.http.security.cors import EXPOSED, METHODS, REQUEST_HEADERS
from tests.support.http.access import Guarded
from tests.support.http.api import Api

PAGE = "https://dashboard.example"
ORIGINS = frozenset({PAGE, "http://localhost:3000"})
SAFELISTED = {"Content-Type", "Cache-Control"}


def readable(answer: httpx.Response, origin: str = PAGE) -> bool:
    """Returns whether a browser lets the page read the response and its headers. Checks `Vary`."""
    exposed = set(answer.headers.get("access-control-expose-headers", "").split(", "))
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in answer.headers
    return answer.headers.get("access-control-allow-origin") == origin and exposed == set(EXPOSED)


async def test_every_kind_of_response_is_readable() -> None:
    """Those of the fast path and of the framework, and the errors of both; with each header once."""
    api = Guarded(Allowance(rate=0.001, burst=7), origins=ORIGINS)  # type: ignore[arg-type]
    key = {**await api.key(), "Origin": PAGE}
    made = await api.ask("POST", "/v1/operations", key, json={"type": "deploy"})
    path = f"/v1/operations/{made.json()['id']}"
    answers = {
        "submitted": made,
        "fast path": await api.ask("GET", path, key),
        "not modified": await api.ask("GET", path, key, headers={"If-None-Match": made.headers.get("etag", '"1"')}),
        "framework": await api.ask("GET", f"{path}?wait=0s", key),
        "no route": await api.ask("GET", "/nothing", key),
        "no operation": await api.ask("GET", f"{path[:-1]}f", key),
        "fast path without credentials": await api.client.get(path, headers={"Origin": PAGE}),
        "without credentials": await api.client.get("/v1/operations", headers={"Origin": PAGE}),
        "too large": await api.ask(
            "POST", "/v1/operations", key, content=b"x" * 300_000, headers={"Content-Type": "application/json"}
        ),
        "method": await api.ask("PUT", "/v1/operations", key),
        "batch": await api.ask("POST", "/v1/operations/batch", key, json={"operations": [{"type": "deploy"}]}),
        "rate": await api.ask("GET", path, key),
        "rate in the framework": await api.ask("GET", "/v1/operations", key),
        "probe": await api.client.get("/livez", headers={"Origin": PAGE}),
    }
    assert [answer.status_code for answer in answers.values()] == [
        *(202, 200, 304, 200, 404, 404, 401, 401, 413, 405, 200, 429, 429, 200)
    ]
    assert [name for name, answer in answers.items() if not readable(answer)] == []


async def test_server_errors_are_readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """503 and 500, of the fast path and of the framework."""
    api = Api(origins=ORIGINS, waiters=WaiterLimit(0, each=1))
    made = await api.submit()
    for error, status in ((DatabaseUnavailable("down"), 503), (RuntimeError("bug"), 500)):

        async def fail(*_: Any, error: Exception = error) -> Any:
            raise error

        monkeypatch.setattr(ReadOperations, "get", fail)
        monkeypatch.setattr(ReadOperations, "counts", fail)
        for path in (f"/v1/operations/{made['id']}", "/v1/operations/counts"):
            answer = await api.client.get(path, headers={"Origin": PAGE})
            assert (answer.status_code, readable(answer)) == (status, True)
    full = await api.client.get("/v1/events", headers={"Origin": PAGE})
    assert (full.status_code, readable(full)) == (503, True)


async def test_streams_are_readable() -> None:
    api = Api(origins=ORIGINS)
    made = await api.submit()
    await api.complete(made["id"], 1)
    answer = await api.client.get(f"/v1/operations/{made['id']}/events", headers={"Origin": PAGE})
    assert (answer.status_code, readable(answer)) == (200, True)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://dashboard.example", f"{PAGE}:8443", f"{PAGE}.evil.example", "null", "*", ""],
)
async def test_other_origins_are_not_allowed(origin: str) -> None:
    """They get the normal response, with `Vary: Origin`."""
    api = Guarded(origins=ORIGINS)
    key = {**await api.key(), "Origin": origin}
    for path in ("/v1/operations", "/v1/operations/019b76da-a800-7000-8000-000000000001"):
        answer = await api.ask("GET", path, key)
        assert not readable(answer, origin)
        assert not any(name.startswith("access-control") for name in answer.headers)
    preflight = await api.client.options(path, headers={"Origin": origin, "Access-Control-Request-Method": "DELETE"})
    assert not any(name.startswith("access-control") for name in preflight.headers)


@pytest.mark.parametrize("path", ["/v1/operations", "/v1/operations/019b76da-a800-7000-8000-000000000001", "/nothing"])
async def test_a_preflight_needs_no_credentials(path: str) -> None:
    """Browsers send none with it."""
    asking = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    answer = await Guarded(origins=ORIGINS).client.options(path, headers=asking)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["access-control-allow-methods"] == ", ".join(METHODS)
    assert answer.headers["access-control-allow-headers"] == ", ".join(REQUEST_HEADERS)
    assert answer.headers["vary"] == "Origin"
    assert "x-request-id" in answer.headers


async def test_options_without_preflight_headers_are_unchanged() -> None:
    answer = await Api(origins=ORIGINS).client.options("/v1/operations", headers={"Origin": PAGE})
    assert answer.status_code == 204
    assert "POST" in answer.headers["allow"]
    assert readable(answer)


async def test_any_origin_may_be_allowed() -> None:
    """The response is the same for all, without `Vary`."""
    api = Guarded(origins=frozenset({"*"}))
    key = await api.key()
    answer = await api.ask("GET", "/v1/operations", {**key, "Origin": "https://x.example"})
    assert (answer.headers["access-control-allow-origin"], answer.headers.get("vary")) == ("*", None)
    assert "access-control-allow-origin" not in (await api.ask("GET", "/v1/operations", key)).headers


async def test_off_by_default() -> None:
    for headers in ({"Origin": PAGE}, {"Origin": PAGE, "Access-Control-Request-Method": "POST"}):
        answer = await Api().client.request(
            "OPTIONS" if len(headers) == 2 else "GET", "/v1/operations", headers=headers
        )
        assert not [name for name in answer.headers if name.startswith("access-control") or name == "vary"]


async def test_none_or_two_origins_get_no_cors_headers() -> None:
    """As for a client that is no browser."""
    api = Api(origins=ORIGINS)
    for headers in ([], [("Origin", PAGE), ("Origin", PAGE)]):
        assert not readable(await api.client.get("/v1/operations", headers=headers))


async def test_pages_can_use_every_documented_header() -> None:
    """Of requests and of responses."""
    document = (await Guarded().client.get("/openapi.json")).json()
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    sent = {p["name"] for operation in operations for p in operation.get("parameters", []) if p["in"] == "header"}
    read = {
        name for operation in operations for answer in operation["responses"].values() for name in answer["headers"]
    }
    assert sent <= set(REQUEST_HEADERS)
    assert read - SAFELISTED <= set(EXPOSED)


async def test_a_shared_response_has_the_headers_of_each_origin() -> None:
    """Its bytes are encoded once."""
    api = Api(origins=ORIGINS)
    made = await api.submit()
    path = f"/v1/operations/{made['id']}?wait=0s"
    for origin in (*ORIGINS, "https://evil.example", *ORIGINS):
        answer = await api.client.get(path, headers={"Origin": origin})
        assert readable(answer, origin) == (origin in ORIGINS)
