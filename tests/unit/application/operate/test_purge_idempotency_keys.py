"""Forgetting keys: those that have expired, so many a step, and no operation with them."""

from application.batching.claim_loop import ClaimResult
from application.operate.purge_idempotency_keys import ForgetKeys
from application.submit.submission import KEY_LIFETIME, Submission
from tests.support.ledger import FakeLedger


async def test_forgets_what_has_expired() -> None:
    """Hazard 6: a key is kept for its lifetime, then goes; its operation stays."""
    ledger = FakeLedger()
    forget = ForgetKeys(ledger.units, ledger.clock)
    for number in range(5):
        await ledger.submitter.submit(Submission("default", "work", None, idempotency_key=f"k{number}"))
    assert await forget.step(10) == ClaimResult(0)
    ledger.clock.advance(KEY_LIFETIME)
    young = await ledger.submitter.submit(Submission("default", "work", None, idempotency_key="young"))
    assert [await forget.step(3) for _ in range(3)] == [ClaimResult(3), ClaimResult(2), ClaimResult(0)]
    again = await ledger.submitter.submit(Submission("default", "work", None, idempotency_key="young"))
    assert (again.replayed, again.operation.id) == (True, young.operation.id)
    assert len(ledger.rows()) == 6
