"""Everything that a client can do, for one tenant.

One is made for each request. No method takes a tenant, so a handler cannot name another one.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from uuid import UUID

from application.control.cancel import CancelOperation
from application.control.delete import DeleteOperation
from application.ports.change_feed import Event, Position
from application.ports.operation_queries import OperationFilter, Page, PageKey
from application.ports.operation_view import OperationView
from application.submit.submission import Submission, Submitted
from application.submit.submit import Answer, SubmitOperations
from application.watch.read import ReadOperations
from application.watch.stream import Cursor, Heartbeat, Resync, StreamEvents, StreamItem
from application.watch.wait import WaitForOperation, WaitOptions
from application.watch.waiter_limit import WaitingRoom
from domain.access.principal import Principal
from domain.errors import OpledgerError
from domain.operation.expected_version import ExpectedVersion
from domain.operation.operation import Input, Operation
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition


@dataclass(frozen=True, slots=True)
class SubmissionRequest:
    """A request for a new operation, before the client is known."""

    type: str
    input: Input
    labels: Mapping[str, str]
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class LedgerServices:
    """The services, which serve all tenants."""

    submit: SubmitOperations
    read: ReadOperations
    cancel: CancelOperation
    delete: DeleteOperation
    wait: WaitForOperation
    stream: StreamEvents
    waiting_room: WaitingRoom

    def refusal_of(self, request: SubmissionRequest) -> OpledgerError | None:
        """Returns why a request is refused, the same for every tenant; None if it is valid."""
        return self.submit.refusal_of(Submission("", request.type, request.input, request.labels))

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
        return await self._services.submit.submit(self._submission(request, trace))

    def refusal_of(self, request: SubmissionRequest) -> OpledgerError | None:
        """Returns why the request is refused; None if it is valid."""
        return self._services.refusal_of(request)

    async def check_batch(self, requests: Sequence[SubmissionRequest]) -> list[OpledgerError | None]:
        """Returns why each request is refused; None where it is valid. Stores nothing."""
        return await self._services.submit.check([self._submission(request, {}) for request in requests])

    async def submit_batch(
        self,
        requests: Sequence[SubmissionRequest],
        refusals: Sequence[OpledgerError | None],
        *,
        trace: Mapping[str, str],
    ) -> list[Answer]:
        """Accepts in one transaction the requests that were not refused."""
        return await self._services.submit.submit_batch(
            [self._submission(request, trace) for request in requests], refusals
        )

    async def get(self, operation_id: UUID) -> OperationView:
        """Returns an operation."""
        return await self._services.read.get(self._principal.tenant, operation_id)

    async def wait(self, operation_id: UUID, options: WaitOptions) -> OperationView:
        """Returns an operation when it has changed."""
        with self.place():
            return await self._services.wait.wait(self._principal.tenant, operation_id, options)

    def place(self) -> AbstractContextManager[None]:
        """Takes the place that a stream holds while it is open. A wait takes its own."""
        return self._services.waiting_room.place(self._principal.credential)

    def follow(self, operation_id: UUID, cursor: Cursor | None) -> AsyncGenerator[StreamItem | Heartbeat | Resync]:
        """Streams the events of one operation."""
        return self._services.stream.of_operation(self._principal.tenant, operation_id, cursor)

    async def head(self) -> Position:
        """Returns the position at which a stream that starts now starts."""
        return await self._services.stream.head()

    def follow_all(self, after: Position | None) -> AsyncGenerator[Event | Heartbeat | Resync]:
        """Streams the events of all operations."""
        return self._services.stream.of_tenant(self._principal.tenant, after)

    async def page(self, criteria: OperationFilter, *, newest_first: bool, after: PageKey | None, size: int) -> Page:
        """Returns a page of operations, in the order of acceptance."""
        return await self._services.read.page(
            self._principal.tenant, criteria, newest_first=newest_first, after=after, size=size
        )

    async def transitions(self, operation_id: UUID) -> list[Transition]:
        """Returns the history of an operation."""
        return await self._services.read.transitions(self._principal.tenant, operation_id)

    async def counts(self) -> Mapping[tuple[str, OperationStatus], int]:
        """Returns the number of operations of each type and status."""
        return await self._services.read.counts(self._principal.tenant)

    async def cancel(
        self, operation_id: UUID, *, reason: str | None, force: bool, expected: ExpectedVersion = None
    ) -> Operation:
        """Requests the cancellation of an operation."""
        tenant, actor = self._principal.tenant, self._principal.actor
        return await self._services.cancel.cancel(
            tenant, operation_id, reason=reason, force=force, actor=actor, expected=expected
        )

    async def delete(self, operation_id: UUID, *, expected: ExpectedVersion = None) -> None:
        """Deletes an operation that is done."""
        await self._services.delete.delete(self._principal.tenant, operation_id, expected=expected)

    def _submission(self, request: SubmissionRequest, trace: Mapping[str, str]) -> Submission:
        return Submission(
            tenant=self._principal.tenant,
            type=request.type,
            input=request.input,
            labels=request.labels,
            idempotency_key=request.idempotency_key,
            actor=self._principal.actor,
            trace=trace,
        )
