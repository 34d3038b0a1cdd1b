"""Starts Prefect's server, and fills it over its API and its tables."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from benchmarks.data.idle_executions import INPUT
from benchmarks.harness.client import request
from benchmarks.peers.copies import Copies, fill
from benchmarks.peers.served import served
from benchmarks.peers.subject import (
    ACCEPT,
    COUNT,
    FINISHED,
    LIST,
    PAGE,
    READ,
    UNFINISHED,
    Call,
    Subject,
    answer_of,
    job_id,
    post,
    reads,
    same,
    submissions,
)
from entrypoints.local.embedded.postgres import EmbeddedPostgres

_STATES: Final = (("COMPLETED", "RUNNING"), ("Completed", "Running"))
"""Type and name of the states of a finished and of a running run."""


_SETTINGS: Final = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "ERROR",
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
}


@contextlib.asynccontextmanager
async def prefect(postgres: EmbeddedPostgres, many: int) -> AsyncIterator[Subject]:
    """Prefect: a flow run of a deployment, over the REST API of its server, whose background services do not run. A
    count is of one state, where the ledger counts all."""
    settings = {**_SETTINGS, "PREFECT_HOME": str(postgres.folder.path / "prefect")}
    async with served("prefect", postgres, "postgresql+asyncpg", "/api/health", **settings) as (port, url):
        flow = await _created(port, "flows", {"name": FINISHED})
        other = await _created(port, "flows", {"name": UNFINISHED})
        deployment = await _created(port, "deployments", {"name": "peers", "flow_id": flow})
        submit = f"/api/deployments/{deployment}/create_flow_run"
        await answer_of(port, post(submit, {"parameters": INPUT}))
        await fill(url, many, *_runs(flow, other))
        yield Subject("prefect", port, _calls(submit, many))


def _runs(flow: str, other: str) -> tuple[Copies, Copies]:
    """Copies of a flow run and its state: the finished ones of one flow, the running ones of the other."""
    state, name = ("CASE WHEN finished THEN '{}' ELSE '{}' END".format(*each) for each in _STATES)
    run = {
        "id": "id",
        "name": "'run-' || n",
        "flow_id": f"CASE WHEN finished THEN '{flow}' ELSE '{other}' END",
        "state_id": "id",
        "state_type": state,
        "state_name": name,
        "state_timestamp": "at",
        "expected_start_time": "at",
        "next_scheduled_start_time": "NULL",
        "start_time": "at",
        "end_time": "CASE WHEN finished THEN at END",
        "run_count": "1",
    }
    states = {"id": "id", "flow_run_id": "id", "type": state, "name": name, "timestamp": "at"}
    return Copies("flow_run", run), Copies("flow_run_state", states)


def _calls(submit: str, many: int) -> dict[str, Call]:
    finished = {"state": {"type": {"any_": ["COMPLETED"]}}}
    page = {"flows": {"name": {"any_": [FINISHED]}}, "flow_runs": finished, "limit": PAGE, "sort": "START_TIME_DESC"}

    def submission(key: str) -> bytes:
        return post(submit, {"parameters": INPUT, "idempotency_key": key})

    return {
        READ: reads([request("GET", f"/api/flow_runs/{job_id(number)}") for number in range(1, many + 1)]),
        LIST: same(post("/api/flow_runs/filter", page)),
        COUNT: same(post("/api/flow_runs/count", {"flow_runs": finished})),
        ACCEPT: submissions("prefect", submission, 201),
    }


async def _created(port: int, what: str, body: object) -> str:
    created = msgspec.convert(await answer_of(port, post(f"/api/{what}/", body)), dict[str, Any])
    return str(created["id"])
