"""API keys of the form `opl_<prefix>_<secret>`.

The prefix identifies the key and may be displayed. The secret is displayed once and never stored: the ledger stores
the SHA-256 of the whole key. A slow hash (bcrypt, Argon2) protects passwords, where an attacker has few values to
try. A secret of 160 random bits cannot be guessed, and a fast hash keeps authentication cheap.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime

from domain.access.credentials import MAX_NAME, InvalidCredentials, is_name
from domain.access.scope import Scope, scope_names
from domain.errors import InvalidInput

MARK = "opl_"
"""Start of every key, so that secret scanners find keys in source code and logs."""
PREFIX_BYTES = 5
SECRET_BYTES = 20
_BASE32 = "[a-z2-7]"
_PREFIX = re.compile(_BASE32 + r"{8}\Z")
_KEY = re.compile(rf"{MARK}(?P<prefix>{_BASE32}{{8}})_{_BASE32}{{32}}\Z")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key. Raises InvalidInput with the rule that a field breaks."""

    prefix: str
    secret_hash: bytes
    name: str
    """Actor in the history of operations."""
    tenant: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None
    """The key is refused from this time on. None: it does not expire."""
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    """Precision: one minute."""

    def __post_init__(self) -> None:
        for field, text in (("name", self.name), ("tenant", self.tenant)):
            if not is_name(text):
                raise InvalidInput(f"{field}: 1 to {MAX_NAME} printable characters, without leading or trailing spaces")
        if not self.scopes:
            raise InvalidInput(f"scopes: at least one of {scope_names(Scope)}")
        if self.expires_at is not None and self.expires_at <= self.created_at:
            raise InvalidInput("expires_at: must be later than the creation time")

    def check(self, text: str, now: datetime) -> None:
        """Raises InvalidCredentials if the text is not this key, or the key is revoked or expired at that time. The
        error shows the key's state only to a client that has the secret."""
        if not hmac.compare_digest(self.secret_hash, secret_hash(text)):
            raise InvalidCredentials("there is no such API key")
        self.check_valid(now)

    def check_valid(self, now: datetime) -> None:
        """Raises InvalidCredentials if the key is revoked or expired at that time."""
        if not self.is_valid(now):
            state = "has expired" if self.revoked_at is None else "is revoked"
            raise InvalidCredentials(f"the API key {self.prefix} {state}")

    def is_valid(self, now: datetime) -> bool:
        """Whether the key is neither revoked nor expired at that time."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True, repr=False)
class NewApiKey:
    """A key just created, with its text, which cannot be recovered later."""

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
    """Creates a key from PREFIX_BYTES and SECRET_BYTES random bytes.

    Raises:
        InvalidInput: a field breaks a rule.
        ValueError: the number of random bytes is wrong.
    """
    if len(prefix) != PREFIX_BYTES or len(secret) != SECRET_BYTES:
        raise ValueError(f"a key needs {PREFIX_BYTES} and {SECRET_BYTES} random bytes")
    shown = _encode(prefix)
    text = f"{MARK}{shown}_{_encode(secret)}"
    return NewApiKey(text, ApiKey(shown, secret_hash(text), name, tenant, scopes, now, expires_at))


def prefix_of(text: str) -> str:
    """The prefix of a key. Raises InvalidCredentials if the text is not an API key."""
    match = _KEY.match(text)
    if match is None:
        raise InvalidCredentials("malformed API key: expected opl_<8 characters>_<32 characters>")
    return match["prefix"]


def check_prefix(text: str) -> None:
    """Raises InvalidInput if the text cannot be the prefix of a key."""
    if not _PREFIX.match(text):
        raise InvalidInput("prefix: the 8 characters after opl_, each of a-z or 2-7")


def secret_hash(text: str) -> bytes:
    """The stored hash of a key."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def _encode(data: bytes) -> str:
    return base64.b32encode(data).decode().lower()
