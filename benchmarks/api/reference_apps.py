"""Serves alternatives to the API as the API is served: `python -m benchmarks.api.reference_apps NAME --port PORT`.

`proxy` answers GET /v1/operations/{id} by asking Temporal at TEMPORAL_ADDRESS to describe the execution: no guard, no
log, no metrics, and neither input nor result, which a description does not have. `static` answers everything with the
one answer that the variable BENCHMARK_ANSWER holds: what server and protocol cost by themselves.
"""

import argparse
import gc
import json
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Litestar, get
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.types import ASGIApp
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError, RPCStatusCode

from entrypoints.http.server.uvicorn_server import run
from entrypoints.process import leave

ANSWER = "BENCHMARK_ANSWER"


class Described(msgspec.Struct, frozen=True):
    """What a description tells of an operation."""

    id: str
    run_id: str
    type: str
    status: str
    done: bool
    task_queue: str
    labels: Mapping[str, Any]
    accepted_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    history_length: int


@get("/v1/operations/{operation_id:uuid}")
async def read(state: State, operation_id: FromPath[UUID]) -> Described:
    """How Temporal says that it stands."""
    client: Client = state.client
    try:
        return described(await client.get_workflow_handle(str(operation_id)).describe())
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise NotFoundException from None
        raise


def described(execution: WorkflowExecutionDescription) -> Described:
    """The fields."""
    return Described(
        id=execution.id,
        run_id=execution.run_id,
        type=execution.workflow_type,
        status="UNKNOWN" if execution.status is None else execution.status.name,
        done=execution.close_time is not None,
        task_queue=execution.task_queue,
        labels={pair.key.name: pair.value for pair in execution.typed_search_attributes},
        accepted_at=execution.start_time,
        started_at=execution.execution_time,
        finished_at=execution.close_time,
        history_length=execution.history_length,
    )


def proxy() -> ASGIApp:
    """One client, which keeps its connection."""

    async def connect(app: Litestar) -> None:
        app.state.client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])

    return Litestar([read], on_startup=[connect], logging_config=None, openapi_config=None)


def packed(headers: list[tuple[str, str]], body: bytes) -> str:
    """An answer, for the variable."""
    return json.dumps([headers, body.decode()])


def static() -> ASGIApp:
    """The one answer."""
    texts, body = json.loads(os.environ[ANSWER])
    headers = [(name.encode(), value.encode()) for name, value in texts]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    rest = {"type": "http.response.body", "body": body.encode()}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": f"{message['type']}.complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        await send(start)
        await send(rest)

    return app


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("proxy", "static"))
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    gc.set_threshold(50_000, 20, 100)  # as the API does
    leave(0 if run(proxy() if arguments.name == "proxy" else static(), "127.0.0.1", arguments.port) else 1)


if __name__ == "__main__":
    main()
