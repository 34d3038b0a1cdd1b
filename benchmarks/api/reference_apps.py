"""Serves alternatives to the API as the API is served: `python -m benchmarks.api.reference_apps NAME --port PORT`.

`proxy` answers GET /v1/operations/{id} with the description of the execution from Temporal at TEMPORAL_ADDRESS: without
access control, log and metrics, and without input and result, which a description does not have. `static` answers every
request with the content of BENCHMARK_ANSWER: the cost of server and protocol.
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
    """The fields of an operation that a description has."""

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
    """Returns the operation as Temporal describes it."""
    client: Client = state.client
    try:
        return described(await client.get_workflow_handle(str(operation_id)).describe())
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise NotFoundException from None
        raise


def described(execution: WorkflowExecutionDescription) -> Described:
    """Returns the fields of an execution."""
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
    """Application with one client, which keeps its connection."""

    async def connect(app: Litestar) -> None:
        app.state.client = await Client.connect(os.environ["TEMPORAL_ADDRESS"])

    return Litestar([read], on_startup=[connect], logging_config=None, openapi_config=None)


def packed(headers: list[tuple[str, str]], body: bytes) -> str:
    """Encodes an answer for BENCHMARK_ANSWER."""
    return json.dumps([headers, body.decode()])


def static() -> ASGIApp:
    """Application that returns BENCHMARK_ANSWER."""
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
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("proxy", "static"))
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    gc.set_threshold(50_000, 20, 100)  # as the API does
    leave(0 if run(proxy() if arguments.name == "proxy" else static(), "127.0.0.1", arguments.port) else 1)


if __name__ == "__main__":
    main()
