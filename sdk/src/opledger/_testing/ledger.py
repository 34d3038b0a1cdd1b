"""The ledger in memory, as tests see it. opledger-service implements it."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from msgspec import UNSET, UnsetType

from opledger._client.async_client import AsyncClient
from opledger._client.models import Operation
from opledger._client.sync_client import Client

_TENANT: Final = re.compile("[!-~]+")
OperationRef: TypeAlias = str | UUID | Operation
"""An operation, or its id."""


class Ledger(ABC):
    """The real application in memory: HTTP API, rules and worker of a ledger, without PostgreSQL, Temporal and network.

    Tests play the workers of Temporal. After every request that changes something, every control and every step of the
    clock, the ledger does at once what is due: it starts workflows, takes callbacks, reconciles.

    The application runs in a thread of its own, so that synchronous and asynchronous tests and clients can use it.

    Controls raise LookupError for an operation that the ledger does not have, or that has no workflow, and ValueError
    for an event that Temporal would refuse, such as the completion of a closed workflow.
    """

    url: str = "http://localhost"
    """For clients that use `transport`. Nothing listens there."""

    @property
    @abstractmethod
    def transport(self) -> Any:
        """Takes requests to the application: `transport` of `opledger.Client`, `opledger.AsyncClient`, `httpx.Client`
        and `httpx.AsyncClient`. Streams work."""

    def client(self, *, timeout: float = 10.0, tenant: str | None = None) -> Client:
        """A new client. It needs no closing.

        Args:
            timeout: Seconds.
            tenant: Name of a tenant, which sees its own operations only. Default: the tenant of clients without an
                API key. Visible ASCII characters.

        Raises:
            ValueError: `tenant` is no such name.
        """
        return Client(self.url, _key(tenant), timeout=timeout, transport=self.transport)

    def async_client(self, *, timeout: float = 10.0, tenant: str | None = None) -> AsyncClient:
        """A new client for asyncio, with the same arguments. It needs no closing."""
        return AsyncClient(self.url, _key(tenant), timeout=timeout, transport=self.transport)

    @property
    @abstractmethod
    def now(self) -> datetime:
        """Time of the ledger, in UTC. It moves only by `advance`."""

    @abstractmethod
    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> datetime:
        """Moves the clock forward, and returns the new time. The ledger does what becomes due on the way."""

    @abstractmethod
    def start_elsewhere(
        self,
        workflow: str,
        workflow_id: str,
        input: Any | UnsetType = UNSET,  # noqa: A002 -- the field's name
        *,
        parent: OperationRef | None = None,
        reports: bool = False,
        task_queue: str | None = None,
        search_attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Starts a workflow as others than the ledger do: a client of Temporal, a Schedule, or the workflow of
        `parent`, whose child it becomes.

        It becomes an operation as in production: with `reports` at once; else by the watch rule of its type
        (`adopt = true`) when the clock moves, by `advance(seconds=2)`; else by `Client.adopt`. Then
        `Client.list(workflow_id=...)` finds it.

        Args:
            workflow: The workflow type.
            workflow_id: The id of the workflow.
            input: The input, as for a submission.
            parent: The operation whose workflow starts it.
            reports: Its worker has `OpledgerPlugin`: a worker picks it up, and it reports its start.
            task_queue: Default: that of the declared type.
            search_attributes: For a watch rule with a query, such as `{"TemporalScheduledById": "nightly"}`.

        Raises ValueError if an open workflow has this id.
        """

    @abstractmethod
    def start(self, operation: OperationRef) -> None:
        """A worker takes the workflow, which reports its start."""

    @abstractmethod
    def report_progress(self, operation: OperationRef, fraction: float | None, message: str | None = None) -> None:
        """The workflow reports progress. It starts first, if it has not started."""

    @abstractmethod
    def complete(self, operation: OperationRef, result: Any = None) -> None:
        """The workflow returns the result, as JSON. It starts first, if it has not started."""

    @abstractmethod
    def fail(self, operation: OperationRef, message: str) -> None:
        """The workflow fails with an application error. It starts first, if it has not started."""

    @abstractmethod
    def cancel(self, operation: OperationRef) -> None:
        """The workflow ends as canceled. It starts first, if it has not started.

        A request of a client to cancel an operation is only delivered to the workflow, which may ignore it.
        """

    @abstractmethod
    def time_out(self, operation: OperationRef) -> None:
        """The workflow exceeds its execution timeout."""

    @abstractmethod
    def terminate(self, operation: OperationRef, reason: str = "", actor: str = "") -> None:
        """Another client of Temporal terminates the workflow."""

    @abstractmethod
    def lose(self, operation: OperationRef) -> None:
        """Temporal no longer has the workflow, as after its deletion. The ledger finds that out when it verifies the
        operation, which `advance(minutes=20)` is enough for."""

    @abstractmethod
    def stall(self, operation: OperationRef, reason: str) -> None:
        """The tasks of the workflow fail repeatedly, so that it makes no progress: `attention` says so. It starts
        first, if it has not started."""

    @abstractmethod
    def recover(self, operation: OperationRef) -> None:
        """The tasks of a stalled workflow succeed again."""

    @abstractmethod
    def go_down(self) -> None:
        """Temporal cannot be reached from now on. Requests to the ledger still work."""

    @abstractmethod
    def come_back(self) -> None:
        """Temporal can be reached again. The ledger retries with a back-off: advance the clock."""

    @abstractmethod
    def always_complete(self, type: str, result: Any | Callable[[Any], Any] = None) -> None:  # noqa: A002
        """From now on every workflow of the operation type completes as soon as the ledger has started it.

        For code that submits and waits in one call.

        Args:
            type: The operation type.
            result: The result, or a function of the operation's input that returns it.
        """

    @abstractmethod
    def always_fail(self, type: str, message: str) -> None:  # noqa: A002
        """The same, with a failure."""


def _key(tenant: str | None) -> str | None:
    """An API key that names a tenant. Raises ValueError."""
    if tenant is None:
        return None
    if not _TENANT.fullmatch(tenant):
        raise ValueError("tenant: a name of visible ASCII characters is required")
    return f"tenant:{tenant}"
