"""The web application: `uvicorn --factory deployer.app:create_app`. It reads OPLEDGER_URL and OPLEDGER_API_KEY.

It has no table of its own: the ledger keeps the deployments.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, JSONBody, SkipValidation

from deployer.workflows import Order
from opledger import AsyncClient, Conflict, InvalidRequest, LedgerUnavailable, Operation, OperationNotFound

TYPE = "deployment"
Ledger = NamedDependency[SkipValidation[AsyncClient]]


@dataclass(frozen=True)
class Deployment:
    """What users of this service see of an operation."""

    id: str
    machine: str
    status: str
    progress: float | None
    doing: str | None
    error: str | None
    accepted_at: datetime

    @classmethod
    def of(cls, operation: Operation) -> "Deployment":
        """The deployment of an operation."""
        progress, error = operation.progress, operation.error
        return cls(
            id=operation.id,
            machine=operation.labels["machine"],
            status=operation.status,
            progress=None if progress is None else progress.fraction,
            doing=None if progress is None else progress.message,
            error=None if error is None else error.message,
            accepted_at=operation.accepted_at,
        )


@post("/deployments", status_code=202)
async def deploy(data: JSONBody[Order], ledger: Ledger) -> Deployment:
    """Starts a deployment."""
    return Deployment.of(await ledger.submit(TYPE, data, labels={"machine": data.machine}))


@get("/deployments")
async def list_deployments(ledger: Ledger, machine: FromQuery[str]) -> Sequence[Deployment]:
    """The deployments of a machine, newest first."""
    found = ledger.list(type=TYPE, labels={"machine": machine})
    return [Deployment.of(operation) async for operation in found]


@get("/deployments/{deployment_id:str}")
async def show(deployment_id: FromPath[str], ledger: Ledger) -> Deployment:
    """A deployment."""
    return Deployment.of(await _deployment(ledger, deployment_id))


@post("/deployments/{deployment_id:str}/cancel", status_code=202)
async def cancel(deployment_id: FromPath[str], ledger: Ledger) -> Deployment:
    """Asks the workflow to stop."""
    await _deployment(ledger, deployment_id)
    return Deployment.of(await ledger.cancel(deployment_id, "by a user of the deployer"))


async def _deployment(ledger: AsyncClient, deployment_id: str) -> Operation:
    """The operation, if it is one of this service: the ledger may have others."""
    operation = await ledger.get(deployment_id)
    if operation.type != TYPE:
        raise NotFoundException
    return operation


def _refused(status: int) -> Callable[[Request[Any, Any, State], Exception], Response[dict[str, str]]]:
    return lambda _request, error: Response({"error": str(error)}, status_code=status)


def create_app(connect: Callable[[], AsyncClient] = AsyncClient) -> Litestar:
    """The application. Tests give it the client of a ledger in memory."""

    @asynccontextmanager
    async def connected(app: Litestar) -> AsyncIterator[None]:
        async with connect() as client:
            app.state.ledger = client
            yield

    async def ledger(state: State) -> AsyncClient:
        client: AsyncClient = state.ledger
        return client

    return Litestar(
        [deploy, list_deployments, show, cancel],
        lifespan=[connected],
        dependencies={"ledger": Provide(ledger)},
        exception_handlers={
            InvalidRequest: _refused(422),
            OperationNotFound: _refused(404),
            Conflict: _refused(409),
            LedgerUnavailable: _refused(503),
        },
    )
