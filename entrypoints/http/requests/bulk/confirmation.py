"""Confirmation tokens of dry runs, bound to tenant, verb and filter."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from application.ports.storage.operation_queries import OperationFilter
from domain.bulk.bulk_action import BulkVerb
from entrypoints.http.problems.problems import FieldError, InvalidBody
from entrypoints.http.requests.listing.page_token import digest, plain
from entrypoints.http.requests.signed import InvalidToken, Signer

CONFIRMATIONS: Final = "confirmations"
"""Key of the application's state: its Confirmations."""


@dataclass(frozen=True, slots=True)
class BulkQuery:
    """The bulk action that a token confirms."""

    tenant: str
    verb: BulkVerb
    criteria: OperationFilter

    def digest(self) -> bytes:
        """Equal for equal queries, independent of the order of their fields."""
        return digest([self.tenant, self.verb.value, plain(self.criteria)])


class Confirmations:
    """Issues and reads tokens. All processes of one service share the key."""

    def __init__(self, key: bytes) -> None:
        """Raises ValueError for a key that is too short."""
        self._signer = Signer(key, "confirmation 1")

    def issue(self, query: BulkQuery, action_id: UUID) -> str:
        """The token of a dry run."""
        return self._signer.issue(query.digest(), action_id.bytes)

    def read(self, query: BulkQuery, token: str) -> UUID:
        """The bulk action that the token confirms. Raises InvalidBody: it was modified, or belongs to another verb,
        filter or tenant."""
        try:
            return UUID(bytes=self._signer.read(query.digest(), token))
        except InvalidToken:
            words = "does not match this request; send the verb and the filter of the dry run"
            raise InvalidBody(FieldError(words, pointer="/confirm")) from None
