"""Prefect's server, filled over its API and its tables."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec

from benchmarks.client import request
from benchmarks.idle_executions import INPUT
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
"""Type and name, of a finished run and of another."""


@contextlib.asynccontextmanager
async def prefect(postgres: EmbeddedPostgres, many: int) -> AsyncIterator[Subject]:
    """Prefect: a flow run of a deployment, over the REST API of its server, whose background services do not run. A
    count is of one state, where the ledger counts all."""
    settings = {
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": str(postgres.folder.path / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    }
    async with served("prefect", postgres, "postgresql+asyncpg", "/api/health", **settings) as (port, url):
        flow = await _created(port, "flows", {"name": FINISHED})
        other = await _created(port, "flows", {"name": UNFINISHED})
        deployment = await _created(port, "deployments", {"name": "peers", "flow_id": flow})
        submit = f"/api/deployments/{deployment}/create_flow_run"
        await answer_of(port, post(submit, {"parameters": INPUT}))
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
        await fill(url, many, Copies("flow_run", run), Copies("flow_run_state", states))
        finished = {"state": {"type": {"any_": ["COMPLETED"]}}}
        page = {
            "flows": {"name": {"any_": [FINISHED]}},
            "flow_runs": finished,
            "limit": PAGE,
            "sort": "START_TIME_DESC",
        }
        calls = {
            READ: reads([request("GET", f"/api/flow_runs/{job_id(number)}") for number in range(1, many + 1)]),
            LIST: same(post("/api/flow_runs/filter", page)),
            COUNT: same(post("/api/flow_runs/count", {"flow_runs": finished})),
            ACCEPT: submissions(
                "prefect", lambda key: post(submit, {"parameters": INPUT, "idempotency_key": key}), 201
            ),
        }
        yield Subject("prefect", port, calls)


async def _created(port: int, what: str, body: object) -> str:
    made = msgspec.convert(await answer_of(port, post(f"/api/{what}/", body)), dict[str, Any])
    return str(made["id"])
