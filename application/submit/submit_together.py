"""Accept submissions that come in at the same time, in one commit."""

from collections.abc import Hashable, Sequence
from contextlib import suppress

from application.batching.batcher import SHUTDOWN_TIMEOUT, WRITES, Batcher, Request, Unsettled, transaction
from application.submit.submit import Submission, SubmitOperation, Submitted
from application.submit.submit_batch import SubmitBatch
from domain.errors import OpledgerError

_Request = Request[Submission, Submitted]


class SubmitTogether:
    """SubmitOperation for many callers. What goes wrong with one concerns no other: what its group does not settle, its
    caller submits alone. Those under one key come one after the other, and all but the first repeat it."""

    def __init__(self, alone: SubmitOperation, batch: SubmitBatch) -> None:
        self._alone = alone
        self._batch = batch
        self._batcher = Batcher(transaction(self._store), WRITES)

    async def submit(self, submission: Submission) -> Submitted:
        """As SubmitOperation's. After DatabaseUnavailable it is not known whether it is accepted."""
        refusal = self.refusal_of(submission)
        if refusal is None:
            with suppress(Unsettled):
                return await self._batcher.submit(submission, key=_key(submission))
        return await self._alone.store(submission, refusal)

    def refusal_of(self, submission: Submission) -> OpledgerError | None:
        """Why it would not be accepted, if it would not."""
        return self._alone.refusal_of(submission)

    async def close(self, within: float = SHUTDOWN_TIMEOUT) -> None:
        """As Batcher.close."""
        await self._batcher.close(within)

    async def _store(self, requests: Sequence[_Request]) -> None:
        # Whose key others are at waits for them alone.
        several = len(requests) > 1
        answers = await self._batch.store([request.value for request in requests], impatient=several)
        for request, answer in zip(requests, answers, strict=True):
            if isinstance(answer, Submitted):
                request.resolve(answer)
            else:
                request.reject(answer)


def _key(submission: Submission) -> Hashable | None:
    return None if submission.idempotency_key is None else (submission.tenant, submission.idempotency_key)
