"""Reads `operations.toml`: the declared operation types."""

import re
from collections.abc import Mapping
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any

import msgspec

from application.operate.purge_operations import MIN_RETENTION
from domain.access.principal import DEFAULT_TENANT
from domain.errors import StartupError
from domain.operation.operation_type import (
    FOREVER,
    RESERVED_PREFIX,
    OperationCatalogue,
    OperationType,
    Retain,
    RetainFor,
    RetryPolicy,
)
from domain.operation.start.arguments import Arguments
from domain.operation.start.labels import label_violations
from domain.operation.start.workflow_id_policy import OnClosed, OnRunning
from domain.operation.start.workflow_id_template import WorkflowIdTemplate
from entrypoints.files import exists, read_toml
from entrypoints.own_workflow import RECONCILE_WORKFLOW
from entrypoints.settings.durations import Duration, DurationOrOff, decode_duration
from opledger.wire import LEDGER_TASK_QUEUE

LOCAL = Path("operations.toml")
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,62}\Z")
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class _Retry(msgspec.Struct, forbid_unknown_fields=True):
    initial_interval: Duration = Duration(seconds=1)
    backoff_coefficient: Annotated[float, msgspec.Meta(ge=1)] = 2.0
    maximum_interval: Duration | None = None
    maximum_attempts: Annotated[int, msgspec.Meta(ge=0)] = 0
    non_retryable_error_types: tuple[str, ...] = ()


class _Retain(msgspec.Struct, forbid_unknown_fields=True):
    completed: DurationOrOff | None = None
    failed: DurationOrOff | None = None


class _Declaration(msgspec.Struct, forbid_unknown_fields=True):
    workflow: Text
    task_queue: Text
    description: str = ""
    execution_timeout: Duration | None = None
    run_timeout: Duration | None = None
    task_timeout: Duration | None = None
    retry_policy: _Retry | None = None
    input_schema: dict[str, Any] | None = None
    arguments: Arguments = Arguments.SINGLE
    workflow_id: Text | None = None
    on_running: OnRunning | None = None
    on_closed: OnClosed | None = None
    adopt: bool = False
    query: Text | None = None
    tenant: Text | None = None
    labels: dict[str, str] = {}
    retain: _Retain = msgspec.field(default_factory=_Retain)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    operations: dict[str, _Declaration]


def find_operations_file(named: str | None) -> Path | None:
    """Returns the named file, else `operations.toml` in the working folder, else None. Raises StartupError: the folder
    cannot be read."""
    if named:
        return Path(named)
    return LOCAL if exists(LOCAL) else None


def operations_file(named: str | None) -> Path:
    """Returns the operations file. Raises StartupError if there is none."""
    found = find_operations_file(named)
    if found is None:
        raise StartupError(
            "no operation type is declared: there is no operations.toml in this folder, and OPLEDGER_OPERATIONS is not "
            "set; `opledger init` writes a commented operations.toml to start from"
        )
    return found


def load_catalogue(path: Path) -> OperationCatalogue:
    """Returns the declared types. Raises StartupError with the file, the place in it, and the rule."""
    content = read_toml(path)
    try:
        declared = msgspec.convert(content, _File, dec_hook=decode_duration)
    except ValueError as error:
        raise StartupError(f"{path}: {error}") from None
    except RecursionError:
        raise StartupError(f"{path}: it is nested too deeply") from None
    for name in declared.operations:
        if not _NAME.match(name):
            raise StartupError(
                f"{path}: operations.{name}: a type's name must be a lower-case word of at most 63 characters"
            )
        if name.startswith(RESERVED_PREFIX):
            raise StartupError(f"{path}: operations.{name}: names that begin with {RESERVED_PREFIX} are the ledger's")
        _check_adoption(f"{path}: operations.{name}", declared.operations[name])
    _check_tenants(path, declared.operations)
    types = {}
    for name, entry in declared.operations.items():
        try:
            types[name] = _type(name, entry)
        except ValueError as error:
            raise StartupError(f"{path}: operations.{name}.{error}") from None
    return OperationCatalogue(types)


def _check_adoption(place: str, entry: _Declaration) -> None:
    """Raises StartupError: the settings about adopted executions cannot be used."""
    if entry.query is not None and not entry.adopt:
        raise StartupError(f"{place}.query is the condition of a watch rule, and needs adopt = true")
    if entry.adopt and (entry.workflow == RECONCILE_WORKFLOW or entry.task_queue == LEDGER_TASK_QUEUE):
        raise StartupError(
            f"{place}.adopt: the ledger's own workflows cannot be adopted: {entry.workflow} on task queue "
            f"{entry.task_queue}"
        )
    violations = label_violations(entry.labels)
    if violations:
        raise StartupError(f"{place}{violations[0].pointer.replace('/', '.')}: {violations[0].message}")


def _check_tenants(path: Path, declared: Mapping[str, _Declaration]) -> None:
    """Raises StartupError: two watch rules adopt the same executions for different tenants, so that chance decides."""
    rules = [(name, entry) for name, entry in declared.items() if entry.adopt]
    for (name, entry), (other_name, other) in permutations(rules, 2):
        shared = entry.workflow == other.workflow and entry.query is None
        if shared and (entry.tenant or DEFAULT_TENANT) != (other.tenant or DEFAULT_TENANT):
            raise StartupError(
                f"{path}: operations.{name}: a query is required: operations.{other_name} adopts executions of "
                f"{entry.workflow!r} for another tenant"
            )


def _type(name: str, entry: _Declaration) -> OperationType:
    fields = msgspec.structs.asdict(entry)
    retry = entry.retry_policy
    fields["retry_policy"] = None if retry is None else RetryPolicy(**msgspec.structs.asdict(retry))
    fields["workflow_id"] = _template(entry)
    fields["on_running"] = entry.on_running or OnRunning.REJECT
    fields["on_closed"] = entry.on_closed or OnClosed.ALLOW
    fields["retain"] = Retain(
        _age("completed", entry.retain.completed),
        _age("failed", entry.retain.failed),
    )
    return OperationType(name=name, **fields)


def _age(outcome: str, declared: DurationOrOff | None) -> RetainFor:
    """Raises ValueError, which begins with the setting."""
    if declared is None:
        return None
    if declared.length is None:
        return FOREVER
    if declared.length < MIN_RETENTION:
        raise ValueError(f"retain.{outcome}: must be off, or at least 1d, the lifetime of an idempotency key")
    return declared.length


def _template(entry: _Declaration) -> WorkflowIdTemplate | None:
    """The template of the workflow id. Raises ValueError, which begins with the setting."""
    if entry.workflow_id is None:
        for setting in ("on_running", "on_closed"):
            if getattr(entry, setting) is not None:
                raise ValueError(f"{setting}: needs workflow_id: without it no other operation has the workflow id")
        return None
    if entry.on_running is OnRunning.TERMINATE and entry.on_closed is OnClosed.REJECT:
        raise ValueError('on_closed: "reject" contradicts on_running = "terminate", which uses the workflow id again')
    try:
        template = WorkflowIdTemplate.parse(entry.workflow_id)
        template.check_schema(entry.input_schema)
    except ValueError as error:
        raise ValueError(f"workflow_id: {entry.workflow_id!r} {error}") from None
    return template
