"""The calls of the asynchronous client that are one request each, or one for each part."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar, Unpack
from uuid import UUID

from msgspec import UNSET, UnsetType

from opledger._client import bulk, calls
from opledger._client.batch import BatchResult, batch_requests
from opledger._client.bulk import BulkVerb, DryRun
from opledger._client.calls import Adopted, Call
from opledger._client.filters import Filters
from opledger._client.models import Counts, Durations, Operation, OperationType, Page, Throughput, Transition, Window
from opledger._submission import Submission

_T = TypeVar("_T")


class AsyncCalls:
    """What a client sends, and what it returns."""

    async def submit(
        self,
        type: str,  # noqa: A002 -- the field's name
        input: Any | UnsetType = UNSET,  # noqa: A002
        *,
        labels: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        parent_id: str | UUID | None = None,
        start_at: datetime | None = None,
        delay: timedelta | None = None,
        keep: bool = False,
    ) -> Operation:
        """Submits an operation. The arguments are those of `Submission`."""
        submission = Submission(
            type,
            input,
            labels or {},
            idempotency_key=idempotency_key,
            parent_id=parent_id,
            start_at=start_at,
            delay=delay,
            keep=keep,
        )
        return await self._send(calls.submit(submission))

    async def batch(self, submissions: Iterable[Submission]) -> Sequence[BatchResult]:
        """Submits many operations, in requests of at most 500 and 4 MiB. Returns one result for each, in their order.

        If a later request fails, the operations of the requests before are submitted: give the submissions idempotency
        keys to repeat the call.

        Raises ValueError, before anything is sent, for a submission that alone has more than 4 MiB.
        """
        results: list[BatchResult] = []
        for part in batch_requests(submissions):
            answered = await self._send(part)
            results += answered
        return results

    async def get(self, operation_id: str | UUID) -> Operation:
        """Returns the operation. Raises OperationNotFound."""
        return await self._send(calls.get(str(operation_id)))

    async def page(
        self,
        *,
        order: str | None = None,
        page_size: int | None = None,
        page_token: str | None = None,
        **filters: Unpack[Filters],
    ) -> Page:
        """Returns one page of a list. `order`: `-accepted_at` (the default), `accepted_at`, `-finished_at`,
        `finished_at`."""
        return await self._send(calls.page(filters, order, page_size, page_token))

    async def counts(self) -> Counts:
        """Returns exact numbers by status, type and error code."""
        return await self._send(calls.counts())

    async def types(self) -> Sequence[OperationType]:
        """Returns the declared operation types."""
        return await self._send(calls.types())

    async def operation_type(self, name: str) -> OperationType:
        """Returns a declared operation type. Raises OperationNotFound if no type of this name is declared."""
        return await self._send(calls.operation_type(name))

    async def durations(
        self,
        type: str,  # noqa: A002
        *,
        finished_after: datetime | None = None,
        finished_before: datetime | None = None,
    ) -> Durations:
        """Returns percentiles of the durations of a type's operations, by default of the last 24 hours."""
        return await self._send(calls.durations(type, finished_after, finished_before))

    async def throughput(self, window: Window = "hour", *, type: str | None = None) -> Throughput:  # noqa: A002
        """Returns what started, completed and failed in the last hour, day or week, of one type or of all."""
        return await self._send(calls.throughput(window, type))

    async def history(self, operation_id: str | UUID) -> Sequence[Transition]:
        """Returns the operation's history, oldest first."""
        return await self._send(calls.history(str(operation_id)))

    async def cancel(self, operation_id: str | UUID, reason: str | None = None, *, force: bool = False) -> Operation:
        """Requests cancellation; with `force` the workflow is terminated. Raises Conflict if the operation is done."""
        return await self._send(calls.cancel(str(operation_id), reason, force=force))

    async def retry(
        self,
        operation_id: str | UUID,
        *,
        input: Any | UnsetType = UNSET,  # noqa: A002
        labels: Mapping[str, str] | UnsetType = UNSET,
        start_at: datetime | None = None,
        delay: timedelta | None = None,
    ) -> Operation:
        """Submits a finished operation again, with the same input and labels or with these. Returns the new operation,
        or the one that the same retry has made before. Raises Conflict if the operation is open."""
        changes = {"input": input, "labels": labels, "start_at": start_at, "delay": delay}
        return await self._send(calls.retry(str(operation_id), changes))

    async def delete(self, operation_id: str | UUID) -> None:
        """Deletes a finished operation. Raises Conflict if it is open."""
        await self._send(calls.delete(str(operation_id)))

    async def acknowledge(self, operation_id: str | UUID, reason: str | None = None) -> Operation:
        """Clears the attention of an operation until a new problem occurs."""
        return await self._send(calls.acknowledge(str(operation_id), reason))

    async def keep(self, operation_id: str | UUID, *, keep: bool = True) -> Operation:
        """Makes retention spare the operation, or, with `keep=False`, no longer."""
        return await self._send(calls.keep(str(operation_id), keep=keep))

    async def dry_run(self, verb: BulkVerb, *, all: bool = False, **filters: Unpack[Filters]) -> DryRun:  # noqa: A002
        """Finds the operations that match every filter and to which the verb applies: `cancel`, `retry`, `delete` or
        `acknowledge`. Changes none; `confirm` does. `all` instead of filters: every operation."""
        return await self._send(bulk.dry_run(verb, filters, everything=all))

    async def confirm(self, found: DryRun, reason: str | None = None, *, force: bool = False) -> Operation:
        """Acts on the operations of a dry run. Returns the operation that does the work: wait for it, or follow its
        progress. `force`: terminates the workflows instead of cancelling them.

        Raises InvalidRequest if the dry run has expired, or was confirmed with another reason or `force`.
        """
        return await self._send(bulk.confirm(found, reason, force=force))

    async def adopt(self, type: str, workflow_id: str, run_id: str | UUID | None = None) -> Adopted:  # noqa: A002
        """Makes an execution that others have started an operation."""
        return await self._send(calls.adopt(type, workflow_id, None if run_id is None else str(run_id)))

    async def _send(self, call: Call[_T], within: float | None = None) -> _T:
        raise NotImplementedError
