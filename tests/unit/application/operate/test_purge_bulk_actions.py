"""ForgetDryRuns: deletes dry runs that were not confirmed."""

from application.batching.step_result import StepResult
from application.bulk.bulk_operations import Confirmation
from application.ports.storage.operation_queries import OperationFilter
from domain.bulk.bulk_action import KEPT_UNCONFIRMED, BulkTerms, BulkVerb
from tests.support.ledger.in_memory import FakeLedger


async def test_dry_runs_are_deleted_after_an_hour() -> None:
    """Not the confirmed ones."""
    ledger = FakeLedger()
    bulk, forget = ledger.api.bulk(), ledger.worker.dry_runs()
    previews = [await bulk.preview("default", BulkVerb.CANCEL, OperationFilter()) for _ in range(3)]
    confirmation = Confirmation(previews[0].action.id, BulkVerb.CANCEL, BulkTerms(), {})
    await bulk.confirm("default", confirmation, trace={})
    ledger.clock.advance(KEPT_UNCONFIRMED)
    young = await bulk.preview("default", BulkVerb.CANCEL, OperationFilter())
    assert await forget.step(10) == StepResult(0)
    ledger.clock.advance(KEPT_UNCONFIRMED / 2)
    assert [await forget.step(1) for _ in range(3)] == [StepResult(1), StepResult(1), StepResult(0)]
    async with ledger.store.units() as unit:
        assert await unit.bulk_actions.get(previews[0].action.id) is not None
        assert await unit.bulk_actions.get(previews[1].action.id) is None
        assert await unit.bulk_actions.get(young.action.id) is not None
