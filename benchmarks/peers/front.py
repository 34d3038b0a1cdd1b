"""Serves a peer as the API is served: `python -m benchmarks.peers.front NAME --port PORT`, database in DATABASE_URL.

`dbos` and `procrastinate` are libraries: a Litestar application with one line a route is put in front of them, without
checks, logs or metrics. `prefect` has an HTTP interface of its own, which is served without its background services.
No telemetry: DBOS and procrastinate have none that is on by default, and Prefect's is switched off.
"""

import argparse
import gc
import os
from collections.abc import Mapping, Sequence
from typing import Any, cast

import msgspec
from litestar import Litestar, get, post
from litestar.datastructures import State
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.types import ASGIApp

from benchmarks.peers.jobs import Jobs, Row
from entrypoints.http.server.uvicorn_server import run
from entrypoints.process import leave

CONNECTIONS = 20
"""Size of each connection pool, which is the API's."""


class Submission(msgspec.Struct):
    """Body of a submission."""

    type: str
    input: dict[str, Any]
    key: str


@get("/ready")
async def ready() -> str:
    """Answers as soon as the peer is connected."""
    return "ready"


@post("/jobs", status_code=202)
async def submit(state: State, data: JSONBody[Submission]) -> Mapping[str, str]:
    """Stores a job."""
    return {"id": await _jobs(state).submit(data.key, data.type, data.input)}


@get("/jobs/{job_id:str}")
async def read(state: State, job_id: FromPath[str]) -> Row:
    """The status of one job."""
    return await _jobs(state).read(job_id)


@get("/jobs")
async def page(state: State, type_name: FromQuery[str], size: FromQuery[int]) -> Sequence[Row]:
    """The newest finished jobs of a type."""
    return await _jobs(state).page(type_name, size)


@get("/counts")
async def counts(state: State) -> Sequence[Row]:
    """The number of jobs by type and status."""
    return await _jobs(state).counts()


def _jobs(state: State) -> Jobs:
    return cast(Jobs, state.jobs)


def behind_front(jobs: Jobs) -> ASGIApp:
    """The thin front."""

    async def connect(app: Litestar) -> None:
        app.state.jobs = jobs
        await jobs.open()

    return Litestar(
        [ready, submit, read, page, counts],
        on_startup=[connect],
        on_shutdown=[jobs.close],
        logging_config=None,
        openapi_config=None,
    )


def application(name: str, database_url: str) -> ASGIApp:
    """The application of a peer. Each is imported only where it is served."""
    if name == "dbos":
        from benchmarks.peers.dbos_jobs import DbosJobs

        return behind_front(DbosJobs(database_url, CONNECTIONS))
    if name == "procrastinate":
        from benchmarks.peers.procrastinate_jobs import ProcrastinateJobs

        return behind_front(ProcrastinateJobs(database_url, CONNECTIONS))
    from prefect.server.api.server import create_app

    return cast(ASGIApp, create_app(final=True, webserver_only=True))


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("dbos", "procrastinate", "prefect"))
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    gc.set_threshold(50_000, 20, 100)  # as the API does
    served = application(arguments.name, os.environ["DATABASE_URL"])
    leave(0 if run(served, "127.0.0.1", arguments.port) else 1)


if __name__ == "__main__":
    main()
