"""The operation as clients see it: the one declaration of what is visible."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from domain.json_value import JsonValue
from domain.operation.attention import Attention
from domain.operation.cancel_request import CancelRequest
from domain.operation.operation import Input
from domain.operation.operation_error import OperationError
from domain.operation.report import Progress
from domain.operation.status import OperationStatus


@dataclass(frozen=True, slots=True)
class JsonText:
    """A JSON value as it is written: nobody has read it yet, and whoever passes it on need not."""

    text: str


class OperationView(Protocol):
    """What clients can see of an Operation, and what finds and orders it. An Operation is one; what only reads takes
    others, which cost less to make.

    A change of any of these is a new version, but for COUNTED, which follow from the change."""

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
    def version(self) -> int: ...

    @property
    def history_length(self) -> int: ...


COUNTED: Final = frozenset({"tenant", "updated_at", "version", "history_length"})
VISIBLE: Final = tuple(name for name in vars(OperationView) if not name.startswith("_") and name not in COUNTED)


def looks_the_same(one: OperationView, other: OperationView) -> bool:
    """Whether clients see no difference. As JSON: 1 and 1.0 differ, and so do 1 and true."""
    return all(repr(getattr(one, name)) == repr(getattr(other, name)) for name in VISIBLE)
