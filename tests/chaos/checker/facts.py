"""What the checker judges: the ledger's rows and history lines, Temporal's runs, what clients were answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

DONE = ("COMPLETED", "FAILED")
DEFAULT = "default"
"""The tenant of everything that names none."""
NOTHING = "nothing"
"""The answer to a search that finds no operation."""


@dataclass(frozen=True)
class Row:
    """A row of `operations`."""

    id: str
    status: str
    history_length: int
    accepted_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    result: str | None = None
    """JSON as text."""
    error_code: str | None = None
    error_message: str | None = None
    error_details: Mapping[str, Any] = field(default_factory=dict)
    attention_kind: str | None = None
    acknowledged: Mapping[str, str] | None = None
    """Kind, `since` and message of the problem that a client has acknowledged, while it lasts."""
    type: str = ""
    workflow_id: str = ""
    first_run_id: str | None = None
    """With `workflow_id`, the chain that the row refers to."""
    origin: str = "LEDGER"
    """LEDGER: the ledger starts the workflow; CLIENT: a client does, and has recorded it; ADOPTED."""
    parent_id: str | None = None
    superseded_by: str | None = None
    retry_of: str | None = None
    input: str | None = None
    """JSON as text."""
    start_at: datetime | None = None
    """The time before which it is not started."""
    tenant: str = DEFAULT


@dataclass(frozen=True)
class Line:
    """A row of `transitions`."""

    sequence: int
    from_status: str | None
    to_status: str
    source: str
    reason: str
    at: datetime
    actor: str | None = None


@dataclass(frozen=True)
class End:
    """How a run closed for good: no run follows that was planned with it."""

    kind: str
    """COMPLETED, or the error code that the ledger has for it."""
    closed_at: datetime
    result: str = "null"
    """With COMPLETED, JSON as text."""
    message: str = ""
    """With WORKFLOW_FAILED, the root cause's."""
    reason: str | None = None
    """With TERMINATED and CANCELED, what was given with it, and by whom."""
    actor: str | None = None


@dataclass(frozen=True)
class Run:
    """One run of a workflow id."""

    workflow_id: str
    run_id: str
    first_run_id: str
    started_at: datetime
    open: bool = False
    end: End | None = None
    """None where another run follows: continued as new, retried, or ended by a reset."""
    links: tuple[str, ...] = ()
    """The runs that its history names."""
    refused_closes: int = 0
    """How often a close was refused because something had arrived meanwhile."""
    cancel_requested: bool = False
    interrupted: bool = False
    """Whether it was asked to cancel before any of its timers had fired."""
    signals: int = 0
    """How many signals the server has accepted for it."""
    items: tuple[str, ...] = ()
    """What it was given by signals and updates that the server has accepted, in order of their names."""
    task_failures: int = 0
    """How many of its workflow tasks failed by their own code."""
    taken: bool = True
    """Whether a worker was given a task of it."""
    operation_id: str | None = None
    """The search attribute OperationUUID that it was started with."""
    workflow_type: str = ""
    task_queue: str = ""
    parent: tuple[str, str] | None = None
    """Workflow id and run id of the workflow that started it as a child."""
    input: str | None = None
    """Its first argument, JSON as text."""


@dataclass(frozen=True)
class Order:
    """What was to be done by a workflow, and what was to be done to it."""

    type: str
    fate: str
    input: Mapping[str, Any] = field(default_factory=dict)
    way: str = "SUBMIT"
    tenant: str = DEFAULT


@dataclass(frozen=True)
class ReceivedId:
    """A client received the operation id of an execution."""

    operation_id: str
    workflow_id: str
    run_id: str | None = None
    """Any run of the execution, if the client knows one."""
    tenant: str = DEFAULT
    """Of the client."""


@dataclass(frozen=True)
class Put:
    """A start with a signal or an update was answered."""

    workflow_id: str
    run_id: str
    """The run that Temporal has named: a new one, or one that was joined."""
    item: str
    """What was sent with it."""
    input: str
    """What the workflow was to be started with, JSON as text."""
    operation_id: str | None = None
    """The operation of the run, if the client knows one."""


@dataclass(frozen=True)
class Submission:
    """A submission of a type with a workflow id template, and its answer."""

    key: str
    number: int
    """In its input."""
    type: str
    sent: datetime
    """The first time."""
    received: datetime
    operation_id: str | None
    """That of the answer: the operation, or the one because of which it was refused."""
    refused: bool = False
    workflow_id: str = ""
    tenant: str = DEFAULT


@dataclass(frozen=True)
class BulkOrder:
    """A bulk action that a client has confirmed."""

    verb: str
    matching: int
    """Number of targets in the response to the dry run."""
    candidates: frozenset[str] | None
    """All operations that may have matched at the dry run, if they are known."""
    reason: str
    """Unique: no other request has it."""
    tenant: str = DEFAULT
    counted: datetime | None = None
    """When the response to the dry run had come."""


@dataclass(frozen=True)
class Target:
    """A target of a bulk action, as the ledger shows it."""

    operation_id: str
    outcome: str | None = None
    new_operation_id: str | None = None


@dataclass(frozen=True)
class Trespass:
    """A request about an operation of another tenant."""

    tenant: str
    """Of the client."""
    operation_id: str
    request: str
    answer: str
    """The status, or NOTHING."""


@dataclass(frozen=True)
class Declared:
    """Which executions of others are to be operations, and the policies for workflow ids."""

    watched: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By workflow type with a watch rule, the tenants of the adopted operations. A rule selects the executions whose
    workflow id begins with the key."""
    reporting: frozenset[str] = frozenset()
    """Task queues whose workers have the plugin."""
    asked: frozenset[str] = frozenset()
    """Workflow ids that clients with the plugin have started, or asked to adopt."""
    policies: Mapping[str, str] = field(default_factory=dict)
    """`on_running` by operation type with a template."""
    workflows: Mapping[str, str] = field(default_factory=dict)
    """Workflow types by operation type with a template."""

    def watches(self, run: Run) -> bool:
        """Whether a watch rule selects the execution."""
        return self.watcher(run) is not None

    def watcher(self, run: Run) -> str | None:
        """The tenant of the watch rule that selects the execution."""
        rules = self.watched.get(run.workflow_type, {})
        return next((tenant for prefix, tenant in rules.items() if run.workflow_id.startswith(prefix)), None)


@dataclass(frozen=True)
class Facts:
    """Everything, as it was when it was collected."""

    rows: Mapping[str, Row]
    lines: Mapping[str, Sequence[Line]]
    runs: Sequence[Run]
    """Of every execution of the namespace but the ledger's own."""
    stored_keys: Sequence[tuple[str, str]]
    """Idempotency keys in the ledger, with their operations."""
    answers: Mapping[str, frozenset[str]]
    """Idempotency keys of the clients, with the ids of every 202."""
    deleted: Mapping[str, Sequence[datetime]] = field(default_factory=dict)
    """Workflow ids whose execution was deleted through Temporal, and when."""
    orders: Mapping[int, Order] = field(default_factory=dict)
    """By the number in the input."""
    received_ids: Sequence[ReceivedId] = ()
    puts: Sequence[Put] = ()
    submissions: Sequence[Submission] = ()
    parents: Mapping[str, str] = field(default_factory=dict)
    """By operation, the one that its submission named."""
    unanswered: frozenset[str] = frozenset()
    """Idempotency keys of requests that never had an answer: what became of them is not known."""
    bulk: Mapping[str, BulkOrder] = field(default_factory=dict)
    """By id, the bulk actions that were confirmed."""
    targets: Mapping[str, Sequence[Target]] = field(default_factory=dict)
    """By bulk action in the ledger, its targets and what became of each."""
    trespasses: Sequence[Trespass] = ()
    rolled_back: frozenset[str] = frozenset()
    """Idempotency keys of transactions that were rolled back."""
    declared: Declared = Declared()
    namespace: str = "default"
    """Of Temporal."""

    def deleted_in_bulk(self) -> set[str]:
        """The operations that bulk actions of clients say to have deleted."""
        return {target.operation_id for target in self._done("delete")}

    def made_in_bulk(self) -> set[str]:
        """The operations that bulk actions of clients say to have made. They have no idempotency keys."""
        return {target.new_operation_id for target in self._done("retry") if target.new_operation_id is not None}

    def _done(self, verb: str) -> list[Target]:
        actions = [action_id for action_id, order in self.bulk.items() if order.verb == verb]
        targets = [target for action_id in actions for target in self.targets.get(action_id, ())]
        return [target for target in targets if target.outcome == "DONE" and target.operation_id]


@dataclass(frozen=True)
class Violation:
    """A promise that was not kept."""

    operation_id: str
    promise: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.promise} {self.operation_id}: expected {self.expected}; found {self.found}"
