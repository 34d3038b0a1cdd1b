"""Bulk retries of operations that had the same workflow id."""

import pytest

from application.submit.submission import Submission
from domain.bulk.bulk_action import BulkVerb
from domain.bulk.target import TargetCode
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.start.workflow_id_policy import OnRunning
from domain.operation.start.workflow_id_template import WorkflowIdTemplate
from tests.unit.application.bulk.test_perform import DONE, FAILED, Ledger


@pytest.mark.parametrize("policy", [OnRunning.REJECT, OnRunning.USE_EXISTING])
async def test_one_of_several_targets_with_one_workflow_id_is_retried(policy: OnRunning) -> None:
    """The others are refused, and are retried by nothing. Each target that is DONE has a retry of its own."""
    template = WorkflowIdTemplate.parse("deploy-{input.machine}")
    declared = OperationType("deploy", "Deploy", "queue", workflow_id=template, on_running=policy)
    ledger = Ledger(OperationCatalogue({"deploy": declared}))
    made = []
    for _ in range(3):
        submitted = await ledger.api.submit().submit(Submission("default", "deploy", {"machine": "m1"}))
        made.append(submitted.operation.id)
        await ledger.finish(made[-1])
    action = await ledger.confirmed(BulkVerb.RETRY)
    assert (await ledger.handle(action)).outcomes == {DONE: 1, FAILED: 2}
    targets = await ledger.targets(action)
    assert [target.code for target in targets] == [None, TargetCode.REFUSED, TargetCode.REFUSED]
    assert [target.new_operation_id is None for target in targets] == [False, True, True]
    assert {target.message for target in targets[1:]} == {"An open operation has the workflow id."}
    rows = [await ledger.row(operation_id) for operation_id in made]
    assert [row and row.retried_by for row in rows] == [targets[0].new_operation_id, None, None]
