"""Calls the server with a timeout that covers every state of the connection."""

import asyncio
from datetime import timedelta
from typing import Final, Protocol, TypeVar

from google.protobuf.message import Message
from temporalio.service import RPCError, RPCStatusCode

from application.ports.engine.workflow_engine import EngineUnavailable

START_TIMEOUT = timedelta(seconds=10)
"""For a start, whose input may be large. The dispatcher's lease is longer than this and ENCODE_TIMEOUT together."""
CALL_TIMEOUT = timedelta(seconds=5)
"""For all other calls."""
_NOT_CONNECTED = "Failed client connect"
_CONNECTION_CLOSED: Final = "operation was canceled"
"""The SDK's error for a request that waited for a connection which the server closed."""
_ATTEMPTS: Final = 3

RequestT = TypeVar("RequestT", bound=Message, contravariant=True)
ResponseT = TypeVar("ResponseT", covariant=True)


class Rpc(Protocol[RequestT, ResponseT]):
    """A method of the SDK's raw services."""

    async def __call__(
        self,
        req: RequestT,
        retry: bool = ...,
        *,
        timeout: timedelta | None = ...,  # noqa: ASYNC109 - the SDK's name
    ) -> ResponseT: ...


async def call(rpc: Rpc[RequestT, ResponseT], request: RequestT, limit: timedelta = CALL_TIMEOUT) -> ResponseT:
    """Calls the server and returns its response.

    The SDK's timeout does not cover the connect of a lazy client (measured: a port that accepts and never answers
    blocks the first call forever), so this function has its own. The SDK's retries are off, because every caller of
    the engine retries later by itself.

    One error is retried at once, on a new connection: the server closes each connection after some minutes (five by
    default), and a request at that moment is lost although the server is healthy. Every call is safe to repeat: starts
    and cancellations have a request id, and a second termination finds the execution closed.

    Raises:
        RPCError: the server refuses the request.
            EngineUnavailable: the server cannot be reached, or does not answer in time.
    """
    try:
        async with asyncio.timeout(limit.total_seconds() + 0.5):
            return await _answer(rpc, request, limit)
    except TimeoutError:
        raise EngineUnavailable(f"the engine did not answer within {limit.total_seconds():g} s") from None
    except RuntimeError as error:
        if not str(error).startswith(_NOT_CONNECTED):
            raise
        raise EngineUnavailable(f"the engine cannot be reached: {_cause(error)}") from None


async def _answer(rpc: Rpc[RequestT, ResponseT], request: RequestT, limit: timedelta) -> ResponseT:
    for _ in range(_ATTEMPTS - 1):
        try:
            return await rpc(request, retry=False, timeout=limit)
        except RPCError as error:
            if not (error.status is RPCStatusCode.CANCELLED and _CONNECTION_CLOSED in error.message.lower()):
                raise
    return await rpc(request, retry=False, timeout=limit)


def _cause(error: RuntimeError) -> str:
    return str(error).removeprefix(_NOT_CONNECTED).strip(": ")
