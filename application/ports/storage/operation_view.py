"""The read model: the operation as clients see it, declared once.

The columns that a read selects, the columns whose change is a new version, and what tests compare with the HTTP schema
follow from `OperationView`. A new visible field is a property here, a field of the operation, a column with its
migration, and a field of the schema.
"""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, Protocol, cast
from uuid import UUID

from domain.json_value import JsonValue
from domain.operation.attention import Attention
from domain.operation.cancel_request import CancelRequest
from domain.operation.operation import Input
from domain.operation.operation_error import OperationError
from domain.operation.origin import Origin
from domain.operation.report import Progress
from domain.operation.status import OperationStatus


@dataclass(frozen=True, slots=True)
class JsonText:
    """A JSON value that is not parsed: it is passed on as it is stored."""

    text: str


class OperationView(Protocol):
    """What clients see of an operation, and what finds and orders it. An Operation is one; stores return others, which
    are cheaper to make, to callers that only read.

    The change of a field is a new version of the operation, except for fields in UNCOMPARED."""

    @property
    def id(self) -> UUID: ...

    @property
    def tenant(self) -> str: ...

    @property
    def type(self) -> str: ...

    @property
    def status(self) -> OperationStatus: ...

    @property
    def done(self) -> bool: ...

    @property
    def input(self) -> "Input | JsonText": ...

    @property
    def labels(self) -> Mapping[str, str]: ...

    @property
    def result(self) -> "JsonValue | JsonText": ...

    @property
    def error(self) -> OperationError | None: ...

    @property
    def progress(self) -> Progress | None: ...

    @property
    def accepted_at(self) -> datetime: ...

    @property
    def started_at(self) -> datetime | None: ...

    @property
    def finished_at(self) -> datetime | None: ...

    @property
    def updated_at(self) -> datetime: ...

    @property
    def cancel_request(self) -> CancelRequest | None: ...

    @property
    def attention(self) -> Attention | None: ...

    @property
    def workflow_id(self) -> str: ...

    @property
    def origin(self) -> Origin: ...

    @property
    def parent_id(self) -> UUID | None: ...

    @property
    def retry_of(self) -> UUID | None: ...

    @property
    def retried_by(self) -> UUID | None: ...

    @property
    def keep(self) -> bool: ...

    @property
    def start_at(self) -> datetime | None: ...

    @property
    def version(self) -> int: ...

    @property
    def history_length(self) -> int: ...


FIELDS: Final = tuple(name for name in vars(OperationView) if not name.startswith("_"))
"""Every field of the read model."""
UNCOMPARED: Final = frozenset({"tenant", "updated_at", "version", "history_length"})
"""Fields that follow from a change, and those that clients do not see."""
VISIBLE: Final = tuple(name for name in FIELDS if name not in UNCOMPARED)
"""Fields whose change is a new version."""


class OperationDetails(OperationView, Protocol):
    """An operation that is read alone. A change of a child is no new version of its parent."""

    @property
    def children(self) -> Mapping[OperationStatus, int]:
        """Returns the number of children by status, of the same tenant; empty if there are none."""


_fields: Final = attrgetter(*FIELDS)
_DETAILS: Final = (*FIELDS, "children")
_make: Final[Callable[[Iterable[Any]], OperationDetails]] = cast(Any, namedtuple("Details", _DETAILS))._make


def with_children(operation: OperationView, children: Mapping[OperationStatus, int]) -> OperationDetails:
    """Returns the operation with the number of its children."""
    return _make((*_fields(operation), children))


def looks_the_same(one: OperationView, other: OperationView) -> bool:
    """Returns whether clients see no difference. Compares as JSON does: 1 and 1.0 differ, and so do 1 and true."""
    return all(repr(getattr(one, name)) == repr(getattr(other, name)) for name in VISIBLE)
