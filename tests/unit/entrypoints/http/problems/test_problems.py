"""Every error is a problem (RFC 9457)."""

import logging
from typing import Any
from uuid import UUID

import pytest

from adapters.memory.clock import MemoryClock
from adapters.memory.operations.operation_queries import MemoryOperationQueries
from adapters.memory.store import MemoryStore
from application.ports.storage.operation_repository import StaleOperation
from application.ports.storage.unit_of_work import DatabaseUnavailable
from tests.support.http.api import Api, problem

SECRET = "postgresql://user:secret@db.internal"


class BrokenStore(MemoryStore):
    """A database that fails with the given error."""

    def __init__(self, error: Exception) -> None:
        super().__init__(MemoryClock())
        self._error = error

    def queries(self, tenant: str) -> MemoryOperationQueries:
        raise self._error

    def units(self) -> Any:
        raise self._error


@pytest.mark.parametrize("path", ["/", "/nope", "/v1", "/v2/operations", "/v1/operations/a/b/c", "/schema", "/openapi"])
async def test_an_unknown_route_is_a_problem(path: str) -> None:
    """404 in the same format, also where Litestar would serve its own pages."""
    assert problem(await Api().client.get(path), 404)["type"] == "urn:opledger:problem:not-found"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/operations", "GET, HEAD, OPTIONS, POST"),
        ("DELETE", "/v1/operations/counts", "GET, HEAD, OPTIONS"),
        ("PATCH", "/livez", "GET, HEAD, OPTIONS"),
        ("GET", "/v1/operations/019b76da-a800-7000-8000-000000000001/cancel", "OPTIONS, POST"),
        ("QUERY", "/v1/operations", "GET, HEAD, OPTIONS, POST"),
    ],
)
async def test_another_method_is_405_with_allow(method: str, path: str, allow: str) -> None:
    """With the methods of the path."""
    answer = await Api().client.request(method, path)
    problem(answer, 405)
    assert answer.headers["allow"] == allow


async def test_an_unexpected_error_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    """500 without internals. The log has them with the request id."""
    api = Api(store=BrokenStore(RuntimeError(SECRET)))
    with caplog.at_level(logging.ERROR):
        answer = await api.client.get("/v1/operations/counts")
    assert problem(answer, 500)["type"] == "urn:opledger:problem:internal"
    assert "secret" not in answer.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("error", [DatabaseUnavailable(SECRET), StaleOperation(SECRET)])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_temporary_error_is_503_with_retry_after(error: Exception, method: str) -> None:
    """Without the messages, which may contain hosts."""
    api = Api(store=BrokenStore(error))
    body = {"type": "deploy"} if method == "POST" else None
    answer = await api.client.request(method, "/v1/operations", json=body)
    problem(answer, 503)
    assert int(answer.headers["retry-after"]) > 0
    assert "secret" not in answer.text


async def test_a_problem_is_short() -> None:
    """Whatever the request contains."""
    api = Api()
    long = "x" * 100_000
    for body in ({"type": "deploy", long: 1}, {"type": "deploy", "labels": {long: "a"}}, {"type": long}):
        answer = await api.client.post("/v1/operations", json=body)
        problem(answer, 422)
        assert len(answer.content) < 3_000
    answer = await api.client.get(f"/v1/operations?{long[:60_000]}=1")
    problem(answer, 400)
    assert len(answer.content) < 3_000


async def test_an_invalid_host_header_is_a_problem() -> None:
    """400, from Litestar itself."""
    problem(await Api().client.get("/livez", headers={"host": "a b"}), 400)


async def test_a_404_names_the_operation() -> None:
    """With the domain's message."""
    missing = UUID(int=7)
    assert str(missing) in problem(await Api().client.get(f"/v1/operations/{missing}"), 404)["detail"]
