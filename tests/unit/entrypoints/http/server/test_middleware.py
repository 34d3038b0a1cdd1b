"""RequestMiddleware: request ids, headers, the access log."""

import asyncio
import logging
from typing import Any

import pytest

from entrypoints.http.server import request_body
from tests.support.http.api import Api

PATHS = ["/v1/operations", "/nope", "/v1/operations/nope", "/livez", "/docs", "/openapi.json"]


@pytest.mark.parametrize("path", PATHS)
async def test_every_response_has_the_security_headers(path: str) -> None:
    """Also those of the router."""
    headers = (await Api().client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"].startswith("default-src 'none'; ")
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


async def test_the_clients_request_id_is_returned() -> None:
    """It connects the client's log with the service's."""
    answer = await Api().client.get("/livez", headers={"X-Request-Id": "abc-1/2"})
    assert answer.headers["x-request-id"] == "abc-1/2"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "a\tb", "ä", "{}"])
async def test_an_unsafe_request_id_is_replaced(given: str) -> None:
    """No client can write into the log."""
    headers = [(b"X-Request-Id", given.encode())]
    made = (await Api().client.get("/livez", headers=headers)).headers["x-request-id"]
    assert made != given
    assert len(made) == 32


async def test_the_access_log_has_one_line_per_request(caplog: pytest.LogCaptureFixture) -> None:
    """Method, route, status, duration and id, without path values, query values and bodies."""
    api = Api()
    with caplog.at_level(logging.INFO, logger="opledger.access"):
        made = await api.submit(input="s3cret")
        await api.client.get(f"/v1/operations/{made['id']}", headers={"X-Request-Id": "one"})
        await api.client.get("/v1/operations?label.a=s3cret")
        await api.client.get("/s3cret")
    records = [record for record in caplog.records if record.name == "opledger.access"]
    assert [record.getMessage() for record in records] == [
        "POST /v1/operations 202",
        "GET /v1/operations/{operation_id} 200",
        "GET /v1/operations 200",
        "GET - 404",
    ]
    fields = vars(records[1])
    assert (fields["method"], fields["route"], fields["status"], fields["request_id"]) == (
        "GET",
        "/v1/operations/{operation_id}",
        200,
        "one",
    )
    assert fields["duration_ms"] >= 0
    assert not any("s3cret" in str(vars(record)) or made["id"] in str(vars(record)) for record in records)


async def test_successful_probes_are_logged_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    """So that they do not fill the log."""
    with caplog.at_level(logging.INFO, logger="opledger.access"):
        await Api().client.get("/livez")
        await Api().client.get("/readyz")
        await Api().client.get("/metrics")
    assert not caplog.records


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/nope", "application/json"), ("/v1/operations", "text/plain"), ("/livez", "text/plain")],
)
async def test_a_refused_upload_does_not_delay_the_response(path: str, content_type: str) -> None:
    """The response is sent before the rest of the body is discarded, for a limited time."""
    whole = asyncio.Event()

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body" and message["body"]:
            assert message["more_body"]
            whole.set()
        elif message["type"] == "http.response.body":
            assert whole.is_set()

    request_body.LINGER_SECONDS, kept = 0.1, request_body.LINGER_SECONDS  # type: ignore[misc]
    try:
        scope: Any = {
            "type": "http",
            "method": "POST",
            "path": path,
            "query_string": b"",
            "headers": [(b"content-length", b"1000000"), (b"content-type", content_type.encode())],
        }
        await asyncio.wait_for(Api().app(scope, receive, send), 60)
    finally:
        request_body.LINGER_SECONDS = kept  # type: ignore[misc]
    assert whole.is_set()


async def test_every_request_is_counted() -> None:
    """By route, refusals of the router included."""
    api = Api()
    made = await api.submit()
    await api.client.get(f"/v1/operations/{made['id']}")
    await api.client.get("/nope")
    assert [answer[:3] for answer in api.answers] == [
        ("POST", "/v1/operations", 202),
        ("GET", "/v1/operations/{operation_id}", 200),
        ("GET", "-", 404),
    ]
    assert all(answer[3] > 0 for answer in api.answers)
