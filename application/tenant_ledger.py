"""All that a client can do, for one tenant.

It is made for each request, and nothing in it takes a tenant: whoever holds it cannot name another's.
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
    """What a client asks for, whoever it is."""

    type: str
    input: Input
    labels: Mapping[str, str]
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class LedgerServices:
    """The services of all tenants."""

    submit: SubmitOperations
    read: ReadOperations
    cancel: CancelOperation
    delete: DeleteOperation
    wait: WaitForOperation
    stream: StreamEvents
    waiting_room: WaitingRoom

    def refusal_of(self, wanted: SubmissionRequest) -> OpledgerError | None:
        """Why a submission would not be accepted, if it would not; the same for every tenant."""
        return self.submit.refusal_of(Submission("", wanted.type, wanted.input, wanted.labels))

    def of(self, principal: Principal) -> "TenantLedger":
        """The principal's own part of the ledger."""
        return TenantLedger(self, principal)


class TenantLedger:
    """The ledger as the principal may see and change it. Each call is one of a service's, and raises what that does."""

    def __init__(self, services: LedgerServices, principal: Principal) -> None:
        self._services = services
        self._principal = principal

    async def submit(self, wanted: SubmissionRequest, *, trace: Mapping[str, str]) -> Submitted:
        """Accept an operation."""
        return await self._services.submit.submit(self._submission(wanted, trace))

    def refusal_of(self, wanted: SubmissionRequest) -> OpledgerError | None:
        """Why it would not be accepted, if it would not."""
        return self._services.refusal_of(wanted)

    async def check_batch(self, wanted: Sequence[SubmissionRequest]) -> list[OpledgerError | None]:
        """Why each of many submissions would not be accepted, if it would not. Nothing is stored."""
        return await self._services.submit.check([self._submission(one, {}) for one in wanted])

    async def submit_batch(
        self, wanted: Sequence[SubmissionRequest], refusals: Sequence[OpledgerError | None], *, trace: Mapping[str, str]
    ) -> list[Answer]:
        """Accept in one commit those of many submissions that were not refused."""
        return await self._services.submit.submit_batch([self._submission(one, trace) for one in wanted], refusals)

    async def get(self, operation_id: UUID) -> OperationView:
        """One operation."""
        return await self._services.read.get(self._principal.tenant, operation_id)

    async def wait(self, operation_id: UUID, wish: WaitOptions) -> OperationView:
        """One operation, when it has changed."""
        with self.place():
            return await self._services.wait.wait(self._principal.tenant, operation_id, wish)

    def place(self) -> AbstractContextManager[None]:
        """What whoever follows holds for so long; a wait takes its own."""
        return self._services.waiting_room.place(self._principal.credential)

    def follow(self, operation_id: UUID, seen: Cursor | None) -> AsyncGenerator[StreamItem | Heartbeat | Resync]:
        """What happens to one operation."""
        return self._services.stream.of_operation(self._principal.tenant, operation_id, seen)

    async def head(self) -> Position:
        """Where a stream that begins now begins."""
        return await self._services.stream.head()

    def follow_all(self, after: Position | None) -> AsyncGenerator[Event | Heartbeat | Resync]:
        """What happens to any operation."""
        return self._services.stream.of_tenant(self._principal.tenant, after)

    async def page(self, criteria: OperationFilter, *, newest_first: bool, after: PageKey | None, size: int) -> Page:
        """Some operations, by acceptance."""
        return await self._services.read.page(
            self._principal.tenant, criteria, newest_first=newest_first, after=after, size=size
        )

    async def transitions(self, operation_id: UUID) -> list[Transition]:
        """One operation's history."""
        return await self._services.read.transitions(self._principal.tenant, operation_id)

    async def counts(self) -> Mapping[tuple[str, OperationStatus], int]:
        """How many operations there are of each type and status."""
        return await self._services.read.counts(self._principal.tenant)

    async def cancel(
        self, operation_id: UUID, *, reason: str | None, force: bool, expected: ExpectedVersion = None
    ) -> Operation:
        """Ask for an operation's end."""
        tenant, actor = self._principal.tenant, self._principal.actor
        return await self._services.cancel.cancel(
            tenant, operation_id, reason=reason, force=force, actor=actor, expected=expected
        )

    async def delete(self, operation_id: UUID, *, expected: ExpectedVersion = None) -> None:
        """Remove an operation that is done."""
        await self._services.delete.delete(self._principal.tenant, operation_id, expected=expected)

    def _submission(self, wanted: SubmissionRequest, trace: Mapping[str, str]) -> Submission:
        return Submission(
            tenant=self._principal.tenant,
            type=wanted.type,
            input=wanted.input,
            labels=wanted.labels,
            idempotency_key=wanted.idempotency_key,
            actor=self._principal.actor,
            trace=trace,
        )
