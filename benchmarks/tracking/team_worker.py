"""Runs a worker as a process: `python -m benchmarks.tracking.team_worker team|plugin|ledger`, Temporal at
TEMPORAL_ADDRESS.

`team`: the worker of another team, whose decorated workflows report on the ledger's task queue. `plugin`: the same with
OpledgerPlugin, which reports over HTTP to OPLEDGER_URL. `ledger`: the service's own worker
(`entrypoints/worker/temporal_worker.py`), with the ledger's activities and DATABASE_URL, without its loops. The
workflows have no timers, which the development server fires late.
"""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import psutil
from temporalio.client import Client
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from benchmarks.harness.stage import TYPES, process
from benchmarks.tracking.tracked_workflow import Tracked, Waiting
from benchmarks.tracking.untracked_workflow import PLUGIN_QUEUE, TEAM_QUEUE, Untracked, Waits, do_a_little
from entrypoints.settings.loading import load_settings
from entrypoints.wiring.worker import WorkerParts, worker
from opledger import OpledgerPlugin
from opledger.wire import LEDGER_TASK_QUEUE

WORKFLOWS = [Untracked, Tracked, Waiting, Waits]


@contextlib.asynccontextmanager
async def team_worker(temporal_address: str) -> AsyncIterator[psutil.Process]:
    """Runs the worker of another team."""
    async with process(*_command("team"), TEMPORAL_ADDRESS=temporal_address) as started:
        yield started


@contextlib.asynccontextmanager
async def plugin_worker(temporal_address: str, ledger_url: str) -> AsyncIterator[psutil.Process]:
    """Runs the worker of another team with the plugin."""
    async with process(*_command("plugin"), TEMPORAL_ADDRESS=temporal_address, OPLEDGER_URL=ledger_url) as started:
        yield started


@contextlib.asynccontextmanager
async def ledger_worker(temporal_address: str, database_url: str) -> AsyncIterator[psutil.Process]:
    """Runs a worker like the service's own."""
    variables = {"TEMPORAL_ADDRESS": temporal_address, "DATABASE_URL": database_url, **TYPES}
    async with process(*_command("ledger"), **variables) as started:
        yield started


def _command(role: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "benchmarks.tracking.team_worker", role)


def _teams_own(client: Client, queue: str) -> Worker:
    return Worker(client, task_queue=queue, workflows=WORKFLOWS, activities=[do_a_little])


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
    connection = ClientConfig.load_client_connect_config()
    if role == "team":
        await _teams_own(await Client.connect(**connection), TEAM_QUEUE).run()
        return
    if role == "plugin":
        await _teams_own(await Client.connect(**connection, plugins=[OpledgerPlugin()]), PLUGIN_QUEUE).run()
        return
    async with worker(load_settings()) as parts:
        await _services_own(await parts.connect(), parts).run()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
