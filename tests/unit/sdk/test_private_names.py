"""Private names of temporalio that the SDK uses: after an upgrade, these tests say which one is gone."""

import inspect
from dataclasses import fields
from types import ModuleType
from typing import Any, cast

import pytest
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionResponse
from temporalio.client import Client, StartWorkflowUpdateWithStartInput, WorkflowHandle
from temporalio.nexus import _operation_context
from temporalio.worker import _workflow_instance

from opledger._plugin.start_internals import is_new, nexus_request_id

START = "used by opledger/_plugin/start_internals.py"
RUN = "used by opledger/_tracking/run.py"


@pytest.mark.parametrize("name", ["_on_start", "_on_start_error"])
def test_update_with_start_names_its_answers(name: str) -> None:
    """Without them, the plugin cannot report such a start."""
    names = {field.name for field in fields(StartWorkflowUpdateWithStartInput)}
    assert name in names, f"StartWorkflowUpdateWithStartInput.{name} is gone, {START}"


@pytest.mark.parametrize("started", [True, False])
def test_handle_keeps_the_answer_to_its_start(started: bool) -> None:
    """Without it, a new execution is taken for one that already ran."""
    answer = StartWorkflowExecutionResponse(started=started)
    handle: WorkflowHandle[Any, Any] = WorkflowHandle(cast(Client, None), "order-7", start_workflow_response=answer)
    assert is_new(handle) is started, f"WorkflowHandle._start_workflow_response is gone, {START}"


@pytest.mark.parametrize("name", ["_try_start_operation_context", "_in_nexus_backing_start_context"])
def test_nexus_operation_has_a_context(name: str) -> None:
    """Without it, a retried Nexus operation records a second operation."""
    assert callable(getattr(_operation_context, name, None)), f"temporalio.nexus has no {name} any more, {START}"
    assert nexus_request_id() is None


@pytest.mark.parametrize("name", ["_signals", "_updates", "_tasks", "_outbound"])
def test_event_loop_of_a_run_has_its_state(name: str) -> None:
    """Without it, no outcome is reported, and `continue_as_new` loses the identity."""
    module: ModuleType = _workflow_instance
    assert f"self.{name}" in inspect.getsource(module), f"the workflow instance has no {name} any more, {RUN}"
