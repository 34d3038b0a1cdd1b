"""An operation as whoever asks sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.attention import Attention
from domain.cancel_request import CancelRequest
from domain.evidence import Progress
from domain.json_value import JsonValue
from domain.operation import Input
from domain.operation_error import OperationError
from domain.status import OperationStatus


@dataclass(frozen=True, slots=True)
class JsonText:
    """A JSON value as it is written: nobody has read it yet, and whoever passes it on need not."""

    text: str


class OperationView(Protocol):
    """What an Operation says to who asks about it, without what is there to change it by. An Operation is one; what
    only reads takes others, which cost less to make."""

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
