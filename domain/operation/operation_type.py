"""Declared operation types, and their catalogue."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Final, Literal

from domain.access.principal import DEFAULT_TENANT
from domain.errors import UnknownOperationType
from domain.json_value import JsonValue
from domain.operation.start.arguments import Arguments
from domain.operation.start.workflow_id_policy import OnClosed, OnRunning
from domain.operation.start.workflow_id_template import WorkflowIdTemplate

MAX_TYPE = 255
"""Characters of an operation's type."""
RESERVED_PREFIX = "opledger."
"""Start of the names of the ledger's own types, which users can neither declare nor submit."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Temporal's retry policy for the whole workflow."""

    initial_interval: timedelta = timedelta(seconds=1)
    """Wait before the second attempt."""
    backoff_coefficient: float = 2.0
    """Factor by which each further wait is longer; at least 1."""
    maximum_interval: timedelta | None = None
    """Longest wait between attempts."""
    maximum_attempts: int = 0
    """0: no limit."""
    non_retryable_error_types: tuple[str, ...] = ()
    """Error types after which the workflow is not retried."""


class Forever(Enum):
    """Marks operations that are never deleted by age, which differs from no declared age."""

    FOREVER = "off"


FOREVER: Final = Forever.FOREVER
RetainFor = timedelta | Literal[Forever.FOREVER] | None
"""None: the ledger's general retention decides."""


@dataclass(frozen=True, slots=True)
class Retain:
    """Age after which operations of a type are deleted, by outcome."""

    completed: RetainFor = None
    """Age after which completed operations are deleted: at least 1 d, or `off`. Without it, `OPLEDGER_RETENTION`
    decides."""
    failed: RetainFor = None
    """The same for failed operations."""


@dataclass(frozen=True, slots=True)
class OperationType:
    """Settings with which the dispatcher starts operations of one type."""

    name: str
    workflow: str
    """Name of the workflow type in Temporal."""
    task_queue: str
    """Task queue that the workflow's workers poll."""
    description: str = ""
    """Text for people."""
    execution_timeout: timedelta | None = None
    """Limit for the whole chain, retries and continue-as-new included."""
    run_timeout: timedelta | None = None
    """Limit for one run."""
    task_timeout: timedelta | None = None
    """Limit for one workflow task."""
    retry_policy: RetryPolicy | None = None
    """Retry policy for the whole workflow."""
    input_schema: Mapping[str, JsonValue] | None = None
    """JSON Schema of the input. None: any JSON is valid, and so is a missing input."""
    arguments: Arguments = Arguments.SINGLE
    """How the input becomes the workflow's arguments: `single`, it is the only one; `spread`, it is their list."""
    workflow_id: WorkflowIdTemplate | None = None
    """Template of the workflow id, with the fields `{input.NAME}`, `{labels.KEY}`, `{tenant}` and `{id}`. None: the
    operation's id."""
    on_running: OnRunning = OnRunning.REJECT
    """Policy if an open operation or execution has the workflow id: `reject` refuses the submission; `use_existing`
    returns the open operation; `terminate` terminates it, and starts the new one."""
    on_closed: OnClosed = OnClosed.ALLOW
    """Policy if a closed operation or execution has the workflow id: `allow` accepts the submission; `allow_failed`
    only if that one did not complete; `reject` refuses it."""
    adopt: bool = False
    """Whether the ledger adopts the executions of the workflow type that others start."""
    query: str | None = None
    """Condition on adopted executions, in the language of the engine's index. None: all of the workflow type."""
    tenant: str | None = None
    """Tenant of adopted operations. None: the default tenant, and any tenant may adopt on request."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of adopted operations."""
    retain: Retain = Retain()
    """Age after which operations are deleted, by outcome."""

    @property
    def owner(self) -> str:
        """Tenant of operations that the ledger adopts without a credential."""
        return self.tenant or DEFAULT_TENANT

    @property
    def is_owned(self) -> bool:
        """Whether the declaration says whose the executions of the workflow type are."""
        return self.adopt or self.tenant is not None


def clipped_type_name(workflow_type: str) -> str:
    """The type of operations whose workflow type is not declared: its name without control characters, cut."""
    return _CONTROL.sub("_", workflow_type)[:MAX_TYPE]


@dataclass(frozen=True, slots=True)
class OperationCatalogue:
    """Declared types by name."""

    types: Mapping[str, OperationType] = field(default_factory=dict)

    def get(self, name: str) -> OperationType:
        """The declared type. Raises UnknownOperationType, which lists the declared ones."""
        try:
            return self.types[name]
        except KeyError:
            raise UnknownOperationType(self.unknown(name)) from None

    def of_workflow(self, workflow_type: str, tenant: str | None = None) -> OperationType | None:
        """The type of operations that others start with this workflow type. Of several one of the tenant, then one that
        adopts, then the first by name. None if none is declared that the tenant may use.

        Args:
            workflow_type: Name of the workflow type.
            tenant: Tenant that starts or runs them; None: any.
        """
        named = (one for one in self if one.workflow == workflow_type)
        usable = [one for one in named if tenant is None or one.tenant in (None, tenant)]
        return min(usable, key=lambda one: (one.owner != (tenant or one.owner), not one.adopt, one.name), default=None)

    def owners_of_workflow(self, workflow_type: str) -> set[str]:
        """The tenants that have executions of this workflow type, as the declarations say."""
        return {one.owner for one in self if one.workflow == workflow_type and one.is_owned}

    def workflow_of(self, name: str) -> str:
        """The workflow type of operations of this type. That of a type that is not declared is its name."""
        declared = self.types.get(name)
        return name if declared is None else declared.workflow

    def name_of_start(self, name: str, tenant: str) -> str:
        """The name of the type of operations that a client of the tenant starts. `name` is a declared type, or a
        workflow type."""
        declared = None if name in self.types else self.of_workflow(name, tenant)
        return clipped_type_name(name) if declared is None else declared.name

    def unknown(self, name: str) -> str:
        """Error message for a type that is not declared."""
        if name.startswith(RESERVED_PREFIX):
            return f"{name!r} is reserved: names that begin with {RESERVED_PREFIX} are the ledger's own types"
        declared = ", ".join(sorted(self.types)) or "none"
        return f"{name!r} is not a declared operation type (declared: {declared})"

    def __iter__(self) -> Iterator[OperationType]:
        return iter(self.types.values())
