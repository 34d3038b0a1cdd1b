"""Starts the ledger's API and each peer, on databases with the same number of jobs."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import msgspec

from adapters.postgres.schema.migrations import migrate
from benchmarks.data import rows
from benchmarks.data.idle_executions import INPUT
from benchmarks.harness.client import request
from benchmarks.harness.stage import api
from benchmarks.peers.copies import Copies, fill
from benchmarks.peers.prefect_server import prefect
from benchmarks.peers.served import served
from benchmarks.peers.subject import (
    ACCEPT,
    COUNT,
    FINISHED,
    LIST,
    PAGE,
    READ,
    TYPE,
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

Start = Callable[[EmbeddedPostgres, int], contextlib.AbstractAsyncContextManager[Subject]]
_FILLED_FIRST = 2
"""Smallest number of a filled procrastinate job: the copied one has 1."""


@contextlib.asynccontextmanager
async def opledger(postgres: EmbeddedPostgres, many: int) -> AsyncIterator[Subject]:
    """The ledger. A submission has an idempotency key, and writes a history line."""
    await postgres.create_database("ours")
    url = postgres.url_for("ours")
    await migrate(url)
    await rows.fill(url, many)
    body = msgspec.json.encode({"type": FINISHED, "input": INPUT})

    def submit(key: str) -> bytes:
        return request("POST", "/v1/operations", f"Idempotency-Key: {key}", body=body)

    async with api(url) as (_, port):
        calls = {
            READ: reads([request("GET", f"/v1/operations/{job_id(number)}") for number in range(1, many + 1)]),
            LIST: same(request("GET", f"/v1/operations?type={FINISHED}&status=COMPLETED&page_size={PAGE}")),
            COUNT: same(request("GET", "/v1/operations/counts")),
            ACCEPT: submissions("opledger", submit),
        }
        yield Subject("opledger", port, calls)


@contextlib.asynccontextmanager
async def dbos(postgres: EmbeddedPostgres, many: int) -> AsyncIterator[Subject]:
    """DBOS Transact: a workflow enqueued by DBOSClient, under an id that the client chooses. Payloads lie in tables of
    their own. It has no function that counts."""
    async with served("dbos", postgres, "postgresql", "/ready") as (port, url):
        await answer_of(port, post("/jobs", _submission("template")))
        at = "(extract(epoch FROM at) * 1000)::bigint"
        status = {
            "workflow_uuid": "id",
            "name": TYPE,
            "status": "CASE WHEN finished THEN 'SUCCESS' ELSE 'PENDING' END",
            "created_at": at,
            "updated_at": at,
            "started_at_epoch_ms": at,
            "completed_at": f"CASE WHEN finished THEN {at} END",
            "recovery_attempts": "1",
        }
        output = {"workflow_uuid": "id", "output": "original ->> 'inputs'"}
        await fill(
            url,
            many,
            Copies("dbos.workflow_status", status),
            Copies("dbos.workflow_input", {"workflow_uuid": "id"}),
            Copies("dbos.workflow_output", output, of="dbos.workflow_input", where="finished"),
        )
        ids = [str(job_id(number)) for number in range(1, many + 1)]
        yield Subject("dbos", port, _front_calls("dbos", ids))


@contextlib.asynccontextmanager
async def procrastinate(postgres: EmbeddedPostgres, many: int) -> AsyncIterator[Subject]:
    """procrastinate: a deferred job, whose triggers write an event and notify. It has no pages: a list is all jobs
    that match, of which the front answers the newest."""
    async with served("procrastinate", postgres, "postgresql", "/ready") as (port, url):
        await answer_of(port, post("/jobs", _submission("template")))
        job = {
            "id": "nextval('procrastinate_jobs_id_seq')",
            "task_name": TYPE,
            "status": "CASE WHEN finished THEN 'succeeded' ELSE 'doing' END",
            "attempts": "1",
        }
        await fill(url, many, Copies("procrastinate_jobs", job))
        ids = [str(number) for number in range(_FILLED_FIRST, _FILLED_FIRST + many)]
        counts = same(request("GET", "/counts"))
        yield Subject("procrastinate", port, {**_front_calls("procrastinate", ids), COUNT: counts})


PEERS: Mapping[str, Start] = {"dbos": dbos, "procrastinate": procrastinate, "prefect": prefect}


def _front_calls(name: str, ids: list[str]) -> dict[str, Call]:
    """Calls that the thin front offers for every peer."""
    return {
        READ: reads([request("GET", f"/jobs/{one}") for one in ids]),
        LIST: same(request("GET", f"/jobs?type_name={FINISHED}&size={PAGE}")),
        ACCEPT: submissions(name, lambda key: post("/jobs", _submission(key))),
    }


def _submission(key: str) -> dict[str, Any]:
    return {"type": FINISHED, "input": INPUT, "key": key}
