"""Read `operations.toml`: the declared operation types."""

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec

from domain.errors import StartupError
from domain.operation.operation_type import OperationCatalogue, OperationType, RetryPolicy
from entrypoints.files import exists, read_toml
from entrypoints.settings.durations import Duration, decode_duration

LOCAL = Path("operations.toml")
_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,62}\Z")
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]


class _Retry(msgspec.Struct, forbid_unknown_fields=True):
    initial_interval: Duration = Duration(seconds=1)
    backoff_coefficient: Annotated[float, msgspec.Meta(ge=1)] = 2.0
    maximum_interval: Duration | None = None
    maximum_attempts: Annotated[int, msgspec.Meta(ge=0)] = 0
    non_retryable_error_types: tuple[str, ...] = ()


class _Declaration(msgspec.Struct, forbid_unknown_fields=True):
    workflow: Text
    task_queue: Text
    description: str = ""
    execution_timeout: Duration | None = None
    run_timeout: Duration | None = None
    task_timeout: Duration | None = None
    retry_policy: _Retry | None = None
    input_schema: dict[str, Any] | None = None


class _File(msgspec.Struct, forbid_unknown_fields=True):
    operations: dict[str, _Declaration]


def find_operations_file(named: str | None) -> Path | None:
    """The named file, else `operations.toml` in the working folder, else None. Raises StartupError: the folder cannot
    be read."""
    if named:
        return Path(named)
    return LOCAL if exists(LOCAL) else None


def operations_file(named: str | None) -> Path:
    """The same. Raises StartupError where there is none."""
    found = find_operations_file(named)
    if found is None:
        raise StartupError(
            "no operation type is declared: there is no operations.toml in this folder, and OPLEDGER_OPERATIONS is not "
            "set; `opledger init` writes a commented operations.toml to start from"
        )
    return found


def load_catalogue(path: Path) -> OperationCatalogue:
    """The declared types. Raises StartupError, which names the file, the place in it, and the rule."""
    content = read_toml(path)
    try:
        declared = msgspec.convert(content, _File, dec_hook=decode_duration)
    except ValueError as error:
        raise StartupError(f"{path}: {error}") from None
    except RecursionError:
        raise StartupError(f"{path}: it is nested too deeply") from None
    for name in declared.operations:
        if not _NAME.match(name):
            raise StartupError(f"{path}: operations.{name}: a type's name is a lower-case word of up to 63 characters")
    return OperationCatalogue({name: _type(name, entry) for name, entry in declared.operations.items()})


def _type(name: str, entry: _Declaration) -> OperationType:
    fields = msgspec.structs.asdict(entry)
    retry = entry.retry_policy
    fields["retry_policy"] = None if retry is None else RetryPolicy(**msgspec.structs.asdict(retry))
    return OperationType(name=name, **fields)
