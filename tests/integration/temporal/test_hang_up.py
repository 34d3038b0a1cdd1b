"""The server closes each connection after some time; a call at that moment still succeeds."""

import asyncio
import itertools
from collections.abc import Iterator
from datetime import timedelta

import pytest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from adapters.system.clock import SystemClock
from adapters.temporal.connection.rpc import call
from adapters.temporal.workflow_engine import TemporalWorkflowEngine
from application.ports.engine.workflow_engine import EngineUnavailable
from tests.support.temporal.server import temporal_server

HURRIED = {
    "frontend.keepAliveMaxConnectionAge": "200ms",
    "frontend.rps": 1_000_000,
    "frontend.namespaceRPS": 1_000_000,
    "frontend.namespaceRPS.visibility": 1_000_000,
}
CALLS = 2_000


class Rpc:
    """Fails with the given errors, one after the other, and then answers."""

    def __init__(self, *errors: RPCError) -> None:
        self._errors: Iterator[RPCError] = iter(errors)
        self.calls = 0

    async def __call__(
        self,
        req: DescribeNamespaceRequest,
        retry: bool = False,
        *,
        timeout: timedelta | None = None,  # noqa: ASYNC109
    ) -> DescribeNamespaceRequest:
        self.calls += 1
        for error in self._errors:
            raise error
        return req


def canceled(words: str = "operation was canceled") -> RPCError:
    return RPCError(words, RPCStatusCode.CANCELLED, b"")


async def test_calls_succeed_while_connections_are_closed() -> None:
    """The server closes each connection after a fifth of a second."""
    words: list[str] = []
    async with temporal_server(dynamic_config=HURRIED) as address:
        engine = TemporalWorkflowEngine(await Client.connect(address), SystemClock())
        numbers = itertools.count()

        async def ask() -> None:
            while next(numbers) < CALLS:
                try:
                    await engine.ping()
                except EngineUnavailable as error:  # on a busy machine, for other reasons
                    words.append(str(error))

        await asyncio.gather(*(ask() for _ in range(16)))
    assert [one for one in words if "canceled" in one] == []


async def test_closed_connection_is_retried_at_once() -> None:
    """At most twice: the third such error in a row is raised."""
    request = DescribeNamespaceRequest(namespace="default")
    rpc = Rpc(canceled(), canceled("Operation was canceled"))
    assert await call(rpc, request) is request
    assert rpc.calls == 3
    rpc = Rpc(*(canceled() for _ in range(5)))
    with pytest.raises(RPCError):
        await call(rpc, request)
    assert rpc.calls == 3


@pytest.mark.parametrize(
    "error",
    [
        canceled("Timeout expired"),
        RPCError("operation was canceled", RPCStatusCode.UNAVAILABLE, b""),
        RPCError("slow down", RPCStatusCode.RESOURCE_EXHAUSTED, b""),
    ],
)
async def test_no_other_error_is_retried(error: RPCError) -> None:
    """Every caller of the engine retries later by itself."""
    rpc = Rpc(error)
    with pytest.raises(RPCError):
        await call(rpc, DescribeNamespaceRequest())
    assert rpc.calls == 1
