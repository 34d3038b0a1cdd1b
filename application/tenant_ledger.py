"""Everything that a client can do, for one tenant.

One is made for each request. No method takes a tenant, so a handler cannot name another one.
"""

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.adopt.adopt import Adopted, AdoptOperation
from application.adopt.receive_start_report import ReceiveStartReport, StartRecorded
from application.bulk.bulk_operations import BulkOperations, Confirmation, Preview
from application.control.acknowledge import AcknowledgeOperation
from application.control.cancel import CancelOperation
from application.control.delete import DeleteOperation
from application.control.keep import KeepOperation
from application.ports.storage.change_feed import Event, Position
from application.ports.storage.operation_queries import (
    AtLeast,
    Counts,
    OperationFilter,
    Page,
    PageKey,
    SortTime,
)
from application.ports.storage.operation_view import OperationDetails
from application.submit.record_start import RecordedStart, RecordStarts
from application.submit.requests import StartRequest, SubmissionRequest
from application.submit.retry import Retry, RetryOperation
from application.submit.submission import Submission, Submitted
from application.submit.submit import Answer, SubmitOperations
from application.track.receive_report import ReceiveReport
from application.track.record import Recorded
from application.watch.durations import DurationsOfType, ReadDurations
from application.watch.read import ReadOperations
from application.watch.stream import Cursor, Heartbeat, Resync, StreamEvents, StreamItem
from application.watch.subscription import Wants
from application.watch.throughput import DurationsOverTime, ReadThroughput
from application.watch.wait import WaitForOperation, WaitOptions
from application.watch.waiter_limit import WaiterLimit
from domain.access.principal import Principal
from domain.bulk.bulk_action import BulkVerb
from domain.bulk.target import Target, TargetOutcome
from domain.errors import OpledgerError
from domain.evidence.reported_execution import ReportedExecution
from domain.evidence.start_report import StartReport
from domain.operation.operation import Operation
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.preconditions import ExpectedVersion
from domain.operation.report import Report
from domain.operation.transition import Transition
from domain.throughput import Throughput, Window


@dataclass(frozen=True, slots=True)
class LedgerServices:
    """The services, which serve all tenants."""

    submit: SubmitOperations
    retry: RetryOperation
    adopt: AdoptOperation
    record: RecordStarts
    reports: ReceiveReport
    start_reports: ReceiveStartReport
    read: ReadOperations
    durations: ReadDurations
    throughput: ReadThroughput
    cancel: CancelOperation
    acknowledge: AcknowledgeOperation
    keep: KeepOperation
    delete: DeleteOperation
    bulk: BulkOperations
    wait: WaitForOperation
    stream: StreamEvents
    waiter_limit: WaiterLimit
    catalogue: OperationCatalogue

    def refusal_of(self, request: SubmissionRequest) -> OpledgerError | None:
        """Returns why a request is refused, the same for every tenant; None if it is valid."""
        return self.submit.refusal_of(Submission("", request.type, request.input, request.labels, start=request.start))

    def of(self, principal: Principal) -> "TenantLedger":
        """Returns the ledger of the principal's tenant."""
        return TenantLedger(self, principal)


class TenantLedger:
    """The ledger as the principal may see and change it. Each call is one of a service, and raises what that raises."""

    def __init__(self, services: LedgerServices, principal: Principal) -> None:
        self._services = services
        self._principal = principal

    async def submit(self, request: SubmissionRequest, *, trace: Mapping[str, str]) -> Submitted:
        """Accepts an operation."""
        return await self._services.submit.submit(request.by(self._principal, trace))

    async def retry(self, operation_id: UUID, retry: Retry, *, trace: Mapping[str, str]) -> Submitted:
        """Submits an operation that retries one which is done."""
        tenant, actor = self._principal.tenant, self._principal.actor
        return await self._services.retry.retry(tenant, operation_id, retry, actor=actor, trace=trace)

    async def adopt(self, type_name: str, workflow_id: str, run_id: str | None) -> Adopted:
        """Adopts an execution that another client has started."""
        return await self._services.adopt.adopt(
            self._principal.tenant, type_name, workflow_id, run_id, actor=self._principal.actor
        )

    async def record_start(self, request: StartRequest, *, trace: Mapping[str, str]) -> RecordedStart:
        """Records an operation whose workflow the client starts."""
        return await self._services.record.record(request.by(self._principal, trace))

    async def report(self, operation_id: UUID, report: Report, execution: ReportedExecution) -> Recorded:
        """Records a report of a workflow."""
        return await self._services.reports.receive(
            operation_id, report, execution.run, execution=execution, tenant=self._principal.tenant
        )

    async def report_start(self, operation_id: UUID, report: StartReport) -> StartRecorded:
        """Records what the client says of a start."""
        return await self._services.start_reports.receive(
            operation_id, report, self._principal.tenant, self._principal.actor
        )

    def refusal_of(self, request: SubmissionRequest) -> OpledgerError | None:
        """Returns why the request is refused; None if it is valid."""
        return self._services.refusal_of(request)

    async def check_batch(self, requests: Sequence[SubmissionRequest]) -> list[OpledgerError | None]:
        """Returns why each request is refused; None where it is valid. Stores nothing."""
        return await self._services.submit.check([request.by(self._principal, {}) for request in requests])

    async def submit_batch(
        self,
        requests: Sequence[SubmissionRequest],
        refusals: Sequence[OpledgerError | None],
        *,
        trace: Mapping[str, str],
    ) -> list[Answer]:
        """Accepts in one transaction the requests that were not refused."""
        return await self._services.submit.submit_batch(
            [request.by(self._principal, trace) for request in requests], refusals
        )

    async def get(self, operation_id: UUID) -> OperationDetails:
        """Returns an operation."""
        return await self._services.read.get(self._principal.tenant, operation_id)

    async def wait(self, operation_id: UUID, options: WaitOptions) -> OperationDetails:
        """Returns an operation when it has changed."""
        with self.acquire_waiter():
            return await self._services.wait.wait(self._principal.tenant, operation_id, options)

    def acquire_waiter(self) -> AbstractContextManager[None]:
        """Counts a stream as a waiter while it is open. `wait` counts itself."""
        return self._services.waiter_limit.acquire(self._principal.credential)

    def follow(self, operation_id: UUID, cursor: Cursor | None) -> AsyncGenerator[StreamItem | Heartbeat | Resync]:
        """Streams the events of one operation."""
        return self._services.stream.of_operation(self._principal.tenant, operation_id, cursor)

    async def head(self) -> Position:
        """Returns the position at which a stream that starts now starts."""
        return await self._services.stream.head()

    def follow_all(self, after: Position | None) -> AsyncGenerator[Event | Heartbeat | Resync]:
        """Streams the events of all operations."""
        return self._services.stream.of_tenant(self._principal.tenant, after)

    def follow_some(self, after: Position | None, wants: Wants) -> AsyncGenerator[Event | Heartbeat | Resync]:
        """Streams the events that `wants` accepts."""
        return self._services.stream.of_tenant(self._principal.tenant, after, wants)

    async def is_far_behind(self, after: Position) -> bool:
        """Returns whether a stream would have to catch up with much."""
        return await self._services.stream.is_far_behind(after)

    async def page(
        self, criteria: OperationFilter, *, newest_first: bool, after: PageKey | None, size: int, by: SortTime
    ) -> Page:
        """Returns a page of operations, in the order of that time."""
        return await self._services.read.page(
            self._principal.tenant, criteria, newest_first=newest_first, after=after, size=size, by=by
        )

    async def transitions(self, operation_id: UUID) -> list[Transition]:
        """Returns the history of an operation."""
        return await self._services.read.transitions(self._principal.tenant, operation_id)

    def types(self) -> list[OperationType]:
        """Returns the declared operation types, sorted by name. They are the same for every tenant."""
        return sorted(self._services.catalogue, key=lambda declared: declared.name)

    def type(self, name: str) -> OperationType:
        """Returns a declared operation type. Raises UnknownOperationType."""
        return self._services.catalogue.get(name)

    async def counts(self) -> Counts:
        """Returns the number of operations of each type, status and error code."""
        return await self._services.read.counts(self._principal.tenant)

    async def count_attentive(self, type_name: str | None, limit: int) -> AtLeast:
        """Counts operations that need attention, up to `limit`."""
        return await self._services.read.count_attentive(self._principal.tenant, type_name, limit)

    async def waiting_since(self, now: datetime) -> datetime | None:
        """Returns since when the operation that has waited longest for its start has waited; None: none waits."""
        return await self._services.read.waiting_since(self._principal.tenant, now)

    async def durations(
        self, type_name: str, finished_after: datetime | None, finished_before: datetime | None
    ) -> DurationsOfType:
        """Returns how long operations of the type ran."""
        return await self._services.durations.read(self._principal.tenant, type_name, finished_after, finished_before)

    async def throughput(self, window: Window, type_name: str | None = None) -> Throughput:
        """Returns how many operations, of the type if one is given, started and ended in the window."""
        return await self._services.throughput.read(self._principal.tenant, window, type_name)

    async def durations_over_time(self, window: Window, type_name: str) -> DurationsOverTime:
        """Returns how long operations of the type ran, over the window."""
        return await self._services.throughput.durations(self._principal.tenant, window, type_name)

    async def cancel(
        self, operation_id: UUID, *, reason: str | None, force: bool, expected: ExpectedVersion = None
    ) -> Operation:
        """Requests the cancellation of an operation."""
        tenant, actor = self._principal.tenant, self._principal.actor
        return await self._services.cancel.cancel(
            tenant, operation_id, reason=reason, force=force, actor=actor, expected=expected
        )

    async def acknowledge(
        self, operation_id: UUID, *, reason: str | None, expected: ExpectedVersion = None
    ) -> Operation:
        """Clears the attention of an operation until a new problem occurs."""
        tenant, actor = self._principal.tenant, self._principal.actor
        acknowledged = await self._services.acknowledge.acknowledge(
            tenant, operation_id, reason=reason, actor=actor, expected=expected
        )
        return acknowledged.operation

    async def keep(self, operation_id: UUID, *, keep: bool, expected: ExpectedVersion = None) -> Operation:
        """Keeps an operation, so that retention spares it, or no longer."""
        tenant, actor = self._principal.tenant, self._principal.actor
        return await self._services.keep.keep(tenant, operation_id, keep=keep, actor=actor, expected=expected)

    async def delete(self, operation_id: UUID, *, expected: ExpectedVersion = None) -> None:
        """Deletes an operation that is done."""
        await self._services.delete.delete(self._principal.tenant, operation_id, expected=expected)

    async def preview_bulk(self, verb: BulkVerb, criteria: OperationFilter, *, sample: int) -> Preview:
        """Makes a dry run of a bulk action. `sample`: operations to show, at most."""
        return await self._services.bulk.preview(self._principal.tenant, verb, criteria, sample=sample)

    async def confirm_bulk(self, confirmation: Confirmation, *, trace: Mapping[str, str]) -> Submitted:
        """Accepts the operation that performs a bulk action."""
        return await self._services.bulk.confirm(self._principal.tenant, confirmation, trace=trace)

    async def bulk_targets(
        self, operation_id: UUID, *, after: int, limit: int, outcomes: Collection[TargetOutcome]
    ) -> list[Target]:
        """Returns targets of a bulk action. `outcomes`: those with one of these; empty: all."""
        return await self._services.bulk.targets(
            self._principal.tenant, operation_id, after=after, limit=limit, outcomes=outcomes
        )
