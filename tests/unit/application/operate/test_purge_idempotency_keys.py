"""PurgeIdempotencyKeys: deletes expired keys, a limited number per step, and no operation."""

from application.batching.step_result import StepResult
from application.submit.submission import KEY_LIFETIME, Submission
from tests.support.ledger.in_memory import FakeLedger


async def test_expired_keys_are_deleted() -> None:
    """Hazard 6: not before the end of their lifetime. The operation stays."""
    ledger = FakeLedger()
    forget = ledger.worker.forgetter()
    for number in range(5):
        await ledger.submitter.submit(Submission("default", "work", None, idempotency_key=f"k{number}"))
    assert await forget.step(10) == StepResult(0)
    ledger.clock.advance(KEY_LIFETIME)
    young = await ledger.submitter.submit(Submission("default", "work", None, idempotency_key="young"))
    assert [await forget.step(3) for _ in range(3)] == [StepResult(3), StepResult(2), StepResult(0)]
    again = await ledger.submitter.submit(Submission("default", "work", None, idempotency_key="young"))
    assert (again.replayed, again.operation.id) == (True, young.operation.id)
    assert len(ledger.rows()) == 6
