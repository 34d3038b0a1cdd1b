"""Stream tickets: credentials for one event stream, for clients that cannot send headers, such as EventSource.

A ticket travels in a URL, which logs may record. So it is valid once, for one minute, for reading only. The ledger
stores the SHA-256 of its text.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from domain.access.credentials import InvalidCredentials
from domain.access.principal import Principal
from domain.access.scope import Scope

LIFETIME: Final = timedelta(minutes=1)
SECRET_BYTES: Final = 20
_PREFIX: Final = "opt_"
"""Start of every ticket, so that secret scanners find tickets in logs."""
PATTERN: Final = _PREFIX + "[a-z2-7]{32}"
"""Regular expression for a whole ticket."""


class InvalidTicket(InvalidCredentials):
    """The ticket was used, has expired, or never existed."""


@dataclass(frozen=True, slots=True)
class StreamTicket:
    """A stored ticket."""

    secret_hash: bytes
    tenant: str
    credential: str | None
    """Credential of the principal that requested the ticket."""
    credential_expires_at: datetime | None
    expires_at: datetime

    def principal(self) -> Principal:
        """The principal of the stream that this ticket opens."""
        scopes = frozenset({Scope.READ})
        return Principal(self.tenant, None, scopes, self.credential, self.credential_expires_at)


@dataclass(frozen=True, slots=True, repr=False)
class NewStreamTicket:
    """A ticket just created, with its text, which is not stored."""

    text: str
    stored: StreamTicket


def make_stream_ticket(secret: bytes, principal: Principal, now: datetime) -> NewStreamTicket:
    """Creates a ticket from SECRET_BYTES random bytes. Raises ValueError if their number is wrong."""
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a ticket needs {SECRET_BYTES} random bytes")
    text = _PREFIX + base64.b32encode(secret).decode().lower()
    hashed = hashlib.sha256(text.encode()).digest()
    return NewStreamTicket(
        text, StreamTicket(hashed, principal.tenant, principal.credential, principal.expires_at, now + LIFETIME)
    )


def ticket_hash(text: str) -> bytes:
    """The stored hash of a ticket. Raises InvalidTicket if the text is not a ticket."""
    if not re.fullmatch(PATTERN, text):
        raise InvalidTicket("malformed stream ticket")
    return hashlib.sha256(text.encode()).digest()
