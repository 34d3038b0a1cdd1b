"""The worker process with the demo's workflows, for `opledger up`, `opledger demo` and tests."""

from collections.abc import Mapping
from typing import Any, Final

from entrypoints import run_worker
from entrypoints.local.demo_workflows.commission import CommissionMachine
from entrypoints.local.demo_workflows.deploy import DeployMachine
from entrypoints.local.demo_workflows.machine_job import inspect_machine
from entrypoints.local.demo_workflows.release import ReleaseMachine
from entrypoints.worker.temporal_worker import Additions

DEMO: Final = Additions(workflows=(CommissionMachine, DeployMachine, ReleaseMachine), activities=(inspect_machine,))


def main(flags: Mapping[str, Any]) -> None:
    """Runs the worker until SIGTERM or SIGINT."""
    run_worker.main(flags, DEMO)
