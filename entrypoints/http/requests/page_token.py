"""Opaque page tokens: the start of the next page, signed together with the query."""

import base64
import binascii
import hashlib
import hmac
import json
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from application.ports.operation_queries import OperationFilter, PageKey
from entrypoints.http.problems.problems import InvalidPageToken

MIN_KEY_BYTES: Final = 16
PAGE_TOKENS: Final = "page_tokens"
"""Key of the application's state: its PageTokens."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_POSITION = struct.Struct(">q16s")
_SIGNATURE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list query. The page size is not part of it."""

    tenant: str
    criteria: OperationFilter
    newest_first: bool

    def digest(self) -> bytes:
        """Equal for equal queries, independent of the order of their parameters."""
        criteria = self.criteria
        parts = [
            self.tenant,
            sorted(criteria.statuses),
            criteria.type,
            criteria.attention,
            sorted(criteria.labels.items()),
            *(time and (time - _EPOCH) // _MICROSECOND for time in (criteria.accepted_after, criteria.accepted_before)),
            self.newest_first,
        ]
        return hashlib.sha256(json.dumps(parts).encode()).digest()


class PageTokens:
    """Issues and reads tokens. All processes of one service share the key."""

    def __init__(self, key: bytes) -> None:
        """Raises ValueError for a key of less than MIN_KEY_BYTES."""
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(f"the page token key must have at least {MIN_KEY_BYTES} bytes")
        self._key = key

    def issue(self, query: ListQuery, after: PageKey) -> str:
        """The token of the page after this key."""
        position = _POSITION.pack((after.accepted_at - _EPOCH) // _MICROSECOND, after.operation_id.bytes)
        return _text(position + self._sign(query, position))

    def read(self, query: ListQuery, token: str) -> PageKey:
        """The key after which the page starts. Raises InvalidPageToken for a modified token and for another query."""
        raw = _bytes(token)
        position, signature = raw[: _POSITION.size], raw[_POSITION.size :]
        if _text(raw) != token or not hmac.compare_digest(signature, self._sign(query, position)):
            raise InvalidPageToken
        microseconds, operation_id = _POSITION.unpack(position)
        return PageKey(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=operation_id))

    def _sign(self, query: ListQuery, position: bytes) -> bytes:
        message = b"opledger page token 1\0" + query.digest() + position
        return hmac.digest(self._key, message, "sha256")[:_SIGNATURE_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _bytes(token: str) -> bytes:
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidPageToken from None
