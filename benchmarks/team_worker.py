"""A worker as a process: `python -m benchmarks.team_worker team|ledger`, Temporal at TEMPORAL_ADDRESS.

`team`: another team's, made as the README says; reports go to the ledger's task queue. `ledger`: as the service makes
its own (`entrypoints/worker/temporal_worker.py`), with the ledger's activities and DATABASE_URL, but with none of its
loops. The shipped workflows wait for timers, which the development server fires late: these do not.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import psutil
from temporalio.client import Client
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from adapters.temporal.connection.connection import connect
from benchmarks.stage import TYPES, process
from benchmarks.tracked_workflow import Tracked, Waiting
from benchmarks.untracked_workflow import TEAM_QUEUE, Untracked, do_a_little
from entrypoints.settings.settings import load_settings
from entrypoints.wiring.worker import WorkerParts, worker
from opledger.wire import LEDGER_TASK_QUEUE

WORKFLOWS = [Untracked, Tracked, Waiting]


@contextlib.asynccontextmanager
async def team_worker(temporal_address: str) -> AsyncIterator[psutil.Process]:
    """Another team's, while the block lasts."""
    async with process(*_command("team"), TEMPORAL_ADDRESS=temporal_address) as started:
        yield started


@contextlib.asynccontextmanager
async def ledger_worker(temporal_address: str, database_url: str) -> AsyncIterator[psutil.Process]:
    """One as the service's own, while the block lasts."""
    variables = {"TEMPORAL_ADDRESS": temporal_address, "DATABASE_URL": database_url, **TYPES}
    async with process(*_command("ledger"), **variables) as started:
        yield started


def _command(role: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "benchmarks.team_worker", role)


def _teams_own(client: Client) -> Worker:
    return Worker(client, task_queue=TEAM_QUEUE, workflows=WORKFLOWS, activities=[do_a_little])


def _services_own(client: Client, parts: WorkerParts) -> Worker:
    restrictions = SandboxRestrictions.default.with_passthrough_modules("opledger", "opentelemetry")
    return Worker(
        client,
        task_queue=LEDGER_TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=[*parts.activities, do_a_little],
        interceptors=[TracingInterceptor()],
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
    )


async def _main(role: str) -> None:
    if role == "team":
        await _teams_own(await connect(lazy=False)).run()
        return
    async with worker(load_settings()) as parts:
        await _services_own(await parts.connect(), parts).run()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
