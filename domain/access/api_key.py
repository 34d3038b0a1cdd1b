"""API keys: `opl_<prefix>_<secret>`. The prefix finds the key and may be shown; the secret is shown once, never kept.

Stored is the SHA-256 of the whole text. A slow hash (bcrypt, Argon2) is for secrets that people choose: it makes each
guess dear where there are few to try. Of 160 random bits there are too many to try at any price, and a fast hash keeps
authentication out of the way of every request.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime

from domain.access.credentials import InvalidCredentials, is_name
from domain.access.scope import Scope, scope_names
from domain.errors import InvalidInput

MARK = "opl_"
"""What every key begins with: scanners of source code and logs can look for it."""
PREFIX_BYTES = 5
SECRET_BYTES = 20
_BASE32 = "[a-z2-7]"
_PREFIX = re.compile(_BASE32 + r"{8}\Z")
_KEY = re.compile(rf"{MARK}(?P<prefix>{_BASE32}{{8}})_{_BASE32}{{32}}\Z")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is stored. Raises InvalidInput, which names the rule that a field does not keep."""

    prefix: str
    secret_hash: bytes
    name: str
    """What the history calls whoever uses it."""
    tenant: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    """From then on it is refused; None: never."""
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    """To the minute."""

    def __post_init__(self) -> None:
        for what, text in (("name", self.name), ("tenant", self.tenant)):
            if not is_name(text):
                raise InvalidInput(f"a key's {what} has 1 to 255 printable characters, and no blank at either end")
        if not self.scopes:
            raise InvalidInput(f"a key has at least one scope of {scope_names(Scope)}")
        if self.expires_at is not None and self.expires_at <= self.created_at:
            raise InvalidInput("a key expires later than it is made")

    def check(self, text: str, now: datetime) -> None:
        """That the text is this key, and that it counts at that time. Raises InvalidCredentials, which speaks of the
        key's state only to who has the secret."""
        if not hmac.compare_digest(self.secret_hash, secret_hash(text)):
            raise InvalidCredentials("there is no such API key")
        self.check_valid(now)

    def check_valid(self, now: datetime) -> None:
        """Raises InvalidCredentials: the key is revoked or has expired at that time."""
        if not self.is_valid(now):
            words = "has expired" if self.revoked_at is None else "is revoked"
            raise InvalidCredentials(f"the API key {self.prefix} {words}")

    def is_valid(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired at that time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, repr=False)
class NewApiKey:
    """A key that has just been made, with its text, which nobody can find out later."""

    text: str
    stored: ApiKey


def make_api_key(
    prefix: bytes,
    secret: bytes,
    *,
    name: str,
    tenant: str,
    scopes: frozenset[Scope],
    now: datetime,
    expires_at: datetime | None,
) -> NewApiKey:
    """A key from PREFIX_BYTES and SECRET_BYTES of randomness. Raises InvalidInput, which names the rule."""
    if len(prefix) != PREFIX_BYTES or len(secret) != SECRET_BYTES:
        raise ValueError(f"a key is made of {PREFIX_BYTES} and {SECRET_BYTES} random bytes")
    shown = _encode(prefix)
    text = f"{MARK}{shown}_{_encode(secret)}"
    return NewApiKey(text, ApiKey(shown, secret_hash(text), name, tenant, scopes, now, expires_at))


def prefix_of(text: str) -> str:
    """The prefix of a key's text. Raises InvalidCredentials: it has not the form of a key."""
    match = _KEY.match(text)
    if match is None:
        raise InvalidCredentials("it does not have the form of an API key: opl_, a prefix of 8, _, a secret of 32")
    return match["prefix"]


def check_prefix(text: str) -> None:
    """Raises InvalidInput: this cannot be the prefix of a key."""
    if not _PREFIX.match(text):
        raise InvalidInput("a key's prefix is the 8 characters behind opl_, of a-z and 2-7")


def secret_hash(text: str) -> bytes:
    """What is stored of a key's text."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def _encode(data: bytes) -> str:
    return base64.b32encode(data).decode().lower()
