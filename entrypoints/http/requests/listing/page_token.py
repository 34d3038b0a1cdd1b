"""Opaque page tokens: the start of the next page, signed together with the query."""

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from application.ports.storage.operation_queries import OperationFilter, PageKey, SortTime
from domain.bulk.target import TargetOutcome
from domain.json_value import JsonValue
from entrypoints.http.problems.problems import InvalidPageToken
from entrypoints.http.requests.signed import InvalidToken, Signer

PAGE_TOKENS: Final = "page_tokens"
"""Key of the application's state: its PageTokens."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_POSITION = struct.Struct(">q16s")
_PLACE = struct.Struct(">q")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list query. The page size is not part of it."""

    tenant: str
    criteria: OperationFilter
    newest_first: bool
    by: SortTime = SortTime.ACCEPTED

    def digest(self) -> bytes:
        """Equal for equal queries, independent of the order of their parameters."""
        return digest([self.tenant, plain(self.criteria), self.by.value, self.newest_first])


@dataclass(frozen=True, slots=True)
class TargetQuery:
    """A query for the targets of a bulk action."""

    tenant: str
    operation_id: UUID
    outcomes: frozenset[TargetOutcome]
    """Empty: any."""

    def digest(self) -> bytes:
        """Returns a hash that is equal for equal queries."""
        return digest([self.tenant, str(self.operation_id), [*sorted(self.outcomes)]])


class PageTokens:
    """Issues and reads tokens. All processes of one service share the key."""

    def __init__(self, key: bytes) -> None:
        """Raises ValueError for a key that is too short."""
        self._operations = Signer(key, "page token 1")
        self._targets = Signer(key, "page token of targets 1")

    def issue(self, query: ListQuery, after: PageKey) -> str:
        """The token of the page after this key."""
        position = _POSITION.pack((after.at - _EPOCH) // _MICROSECOND, after.operation_id.bytes)
        return self._operations.issue(query.digest(), position)

    def read(self, query: ListQuery, token: str) -> PageKey:
        """The key after which the page starts. Raises InvalidPageToken for a modified token and for another query."""
        microseconds, operation_id = _POSITION.unpack(_content(self._operations, query.digest(), token))
        return PageKey(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=operation_id))

    def issue_place(self, query: TargetQuery, after: int) -> str:
        """The token of the page of a bulk action's targets after this place."""
        return self._targets.issue(query.digest(), _PLACE.pack(after))

    def read_place(self, query: TargetQuery, token: str) -> int:
        """The place after which the page starts. Raises InvalidPageToken."""
        [after] = _PLACE.unpack(_content(self._targets, query.digest(), token))
        return int(after)


def digest(parts: JsonValue) -> bytes:
    """A hash that is equal for equal values."""
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def plain(criteria: OperationFilter) -> dict[str, JsonValue]:
    """A filter as JSON, the same for equal filters."""
    return {name: _plain(getattr(criteria, name)) for name in OperationFilter.__dataclass_fields__}


def _content(signer: Signer, query: bytes, token: str) -> bytes:
    try:
        return signer.read(query, token)
    except InvalidToken:
        raise InvalidPageToken from None


def _plain(value: object) -> JsonValue:
    match value:
        case None | str():
            return value
        case frozenset():
            return [*sorted(map(str, value))]
        case Mapping():
            return [[key, value[key]] for key in sorted(value)]
        case datetime():
            return (value - _EPOCH) // _MICROSECOND
    raise TypeError(f"a filter holds no {type(value).__name__}")
