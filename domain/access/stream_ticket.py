"""Stream tickets: credentials for one event stream, for clients that cannot send headers, such as EventSource.

A ticket travels in a URL. So it counts once, for a minute, and for reading alone; stored is the SHA-256 of its text.
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
"""What every ticket begins with: scanners of logs can look for it."""
PATTERN: Final = _PREFIX + "[a-z2-7]{32}"
"""A regular expression."""


class InvalidTicket(InvalidCredentials):
    """The ticket was used, has expired, or never existed."""


@dataclass(frozen=True, slots=True)
class StreamTicket:
    """A ticket as it is stored."""

    secret_hash: bytes
    tenant: str
    credential: str | None
    """The principal's that the ticket was issued to."""
    credential_expires_at: datetime | None
    expires_at: datetime

    def principal(self) -> Principal:
        """The principal of a stream that the ticket opens."""
        scopes = frozenset({Scope.READ})
        return Principal(self.tenant, None, scopes, self.credential, self.credential_expires_at)


@dataclass(frozen=True, slots=True, repr=False)
class NewStreamTicket:
    """A ticket that has just been made, with its text, which is stored nowhere."""

    text: str
    stored: StreamTicket


def make_stream_ticket(secret: bytes, principal: Principal, now: datetime) -> NewStreamTicket:
    """A ticket from SECRET_BYTES of randomness."""
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a ticket is made of {SECRET_BYTES} random bytes")
    text = _PREFIX + base64.b32encode(secret).decode().lower()
    hashed = hashlib.sha256(text.encode()).digest()
    return NewStreamTicket(
        text, StreamTicket(hashed, principal.tenant, principal.credential, principal.expires_at, now + LIFETIME)
    )


def ticket_hash(text: str) -> bytes:
    """What is stored of a ticket's text. Raises InvalidTicket: it has not the form of one."""
    if not re.fullmatch(PATTERN, text):
        raise InvalidTicket("it does not have the form of a stream ticket")
    return hashlib.sha256(text.encode()).digest()
