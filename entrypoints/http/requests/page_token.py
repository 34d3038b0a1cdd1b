"""Opaque page tokens: where the next page starts, signed together with the query that it belongs to."""

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

SHORTEST_KEY: Final = 16
PAGE_TOKENS: Final = "page_tokens"
"""Under this name the application's state holds its PageTokens."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PLACE = struct.Struct(">q16s")
_SIGNATURE = 16


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a page is a page of. The page's size is not part of it."""

    tenant: str
    criteria: OperationFilter
    newest_first: bool

    def digest(self) -> bytes:
        """The same for the same query, however it was written."""
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
    """Makes and reads tokens. Whoever has the key can make them; every process of one service has the same."""

    def __init__(self, key: bytes) -> None:
        """Raises ValueError for a key that is too short to be one."""
        if len(key) < SHORTEST_KEY:
            raise ValueError(f"the page token key has at least {SHORTEST_KEY} bytes")
        self._key = key

    def issue(self, query: ListQuery, after: PageKey) -> str:
        """The token of the page behind `after`."""
        place = _PLACE.pack((after.accepted_at - _EPOCH) // _MICROSECOND, after.operation_id.bytes)
        return _text(place + self._sign(query, place))

    def read(self, query: ListQuery, token: str) -> PageKey:
        """Where the page starts. Raises InvalidPageToken: tampered with, cut, or another query's."""
        raw = _bytes(token)
        place, signature = raw[: _PLACE.size], raw[_PLACE.size :]
        if _text(raw) != token or not hmac.compare_digest(signature, self._sign(query, place)):
            raise InvalidPageToken
        microseconds, operation_id = _PLACE.unpack(place)
        return PageKey(_EPOCH + microseconds * _MICROSECOND, UUID(bytes=operation_id))

    def _sign(self, query: ListQuery, place: bytes) -> bytes:
        message = b"opledger page token 1\0" + query.digest() + place
        return hmac.digest(self._key, message, "sha256")[:_SIGNATURE]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _bytes(token: str) -> bytes:
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidPageToken from None
