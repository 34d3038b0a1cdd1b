"""Callback tokens: proof that a completion callback is for an operation of this ledger.

Temporal does not sign its callbacks, and shows their headers to everyone who may describe the execution. So each
operation has its own token: an HMAC (RFC 2104, SHA-256) over key name, operation id and tenant.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

TOKEN_HEADER = "Opledger-Callback-Token"
MIN_SECRET = 32
"""Minimum length of a secret, in characters."""
MAX_KEYS = 2
"""Maximum number of valid keys: the signing key and its predecessor."""
MAX_TOKEN = 1024
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")


@dataclass(frozen=True, slots=True, repr=False)
class CallbackKeys:
    """Secrets by name. The first key signs, all keys verify.

    To rotate, put the new key first. Remove the old key when no open execution was started with it.
    """

    secrets: Mapping[str, str]

    def __post_init__(self) -> None:
        if not 1 <= len(self.secrets) <= MAX_KEYS:
            raise ValueError(f"callback keys: 1 or {MAX_KEYS} expected, not {len(self.secrets)}")
        for name, secret in self.secrets.items():
            if not _NAME.match(name):
                raise ValueError("callback key name: 1 to 32 letters, digits, '_' and '-'")
            if len(secret) < MIN_SECRET:
                raise ValueError(f"callback key {name}: the secret needs at least {MIN_SECRET} characters")

    @classmethod
    def parse(cls, text: str) -> "CallbackKeys":
        """Reads `name:secret[,name:secret]`, the signing key first. Raises ValueError, whose message contains no
        secret."""
        pairs = [part.strip().partition(":") for part in text.split(",")]
        if any(not colon for _, colon, _ in pairs):
            raise ValueError("callback keys: expected name:secret, separated by commas")
        if len({name for name, _, _ in pairs}) < len(pairs):
            raise ValueError("callback keys: two keys have the same name")
        return cls({name: secret for name, _, secret in pairs})

    def sign(self, operation_id: UUID, tenant: str) -> str:
        """The token: key name, tenant, and the HMAC over both and the operation id."""
        name, secret = next(iter(self.secrets.items()))
        return _token(name, secret, operation_id, tenant)

    def verify(self, operation_id: UUID, token: str) -> str | None:
        """The tenant in the token. None if no key signed it for this operation."""
        if len(token) > MAX_TOKEN or not token.isascii():
            return None
        name, _, rest = token.partition(".")
        encoded_tenant, _, _ = rest.partition(".")
        secret = self.secrets.get(name)
        try:
            tenant = _decode(encoded_tenant).decode()
        except ValueError:
            return None
        # Compares the whole text: base64 can encode the same bytes in several ways.
        expected = _token(name, secret or "", operation_id, tenant)
        genuine = hmac.compare_digest(token.encode(), expected.encode())
        return tenant if genuine and secret is not None else None


def _token(name: str, secret: str, operation_id: UUID, tenant: str) -> str:
    return f"{name}.{_encode(tenant.encode())}.{_encode(_mac(name, secret, operation_id, tenant))}"


def _mac(name: str, secret: str, operation_id: UUID, tenant: str) -> bytes:
    message = b"\x00".join((name.encode(), operation_id.bytes, tenant.encode()))
    return hmac.digest(secret.encode(), message, hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
