"""One call to the server, in bounded time, whatever state the connection is in."""

import asyncio
from datetime import timedelta
from typing import Final, Protocol, TypeVar

from google.protobuf.message import Message
from temporalio.service import RPCError, RPCStatusCode

from application.ports.workflow_engine import EngineUnavailable

START_TIMEOUT = timedelta(seconds=10)
"""For a start: its input may be large. The dispatcher's lease is longer than this and the input's encoding together."""
CALL_TIMEOUT = timedelta(seconds=5)
"""For everything else."""
_NOT_CONNECTED = "Failed client connect"
_CONNECTION_CLOSED: Final = "operation was canceled"
"""What the SDK's transport says of a request that was waiting for a connection when the server closed that one."""
_ATTEMPTS: Final = 3

RequestT = TypeVar("RequestT", bound=Message, contravariant=True)
ResponseT = TypeVar("ResponseT", covariant=True)


class Rpc(Protocol[RequestT, ResponseT]):
    """A method of one of the SDK's raw services."""

    async def __call__(
        self,
        req: RequestT,
        retry: bool = ...,
        *,
        timeout: timedelta | None = ...,  # noqa: ASYNC109 - the SDK's name
    ) -> ResponseT: ...


async def call(rpc: Rpc[RequestT, ResponseT], request: RequestT, limit: timedelta = CALL_TIMEOUT) -> ResponseT:
    """The server's answer.

    The SDK's own time-out does not cover a lazy client's connecting (measured: a port that accepts and says nothing
    holds the first call for ever), so the clock runs out here as well. The SDK's retries are off because everything
    that calls an engine tries again by itself, later.

    One case is repeated at once, on a new connection: the server closes each connection after some minutes (five by
    default), and a request that meets this is lost although the server is well. Every call may be repeated: starts and
    cancellations have a request id, a second termination finds the execution closed.

    Raises:
        RPCError: the server refuses.
        EngineUnavailable: it cannot be reached.
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
