"""The token by which a completion callback proves that it is about an operation that this ledger started.

The engine does not sign its callbacks, and shows the headers it was given to everybody who may describe an execution.
So every operation has a token of its own: an HMAC over key, operation and tenant (RFC 2104, SHA-256).
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
"""Characters that a secret has at least."""
MAX_KEYS = 2
"""How many keys are valid at once: the one that signs, and the one before it."""
MAX_TOKEN = 1024
_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")


@dataclass(frozen=True, slots=True, repr=False)
class CallbackKeys:
    """Secrets by name; the first signs, all verify. To rotate, put the new one in front and drop the old one when no
    execution that was started under it is open any more."""

    secrets: Mapping[str, str]

    def __post_init__(self) -> None:
        if not 1 <= len(self.secrets) <= MAX_KEYS:
            raise ValueError(f"there are 1 or {MAX_KEYS} callback keys, not {len(self.secrets)}")
        for name, secret in self.secrets.items():
            if not _NAME.match(name):
                raise ValueError("a callback key's name is 1 to 32 letters, digits, '_' and '-'")
            if len(secret) < MIN_SECRET:
                raise ValueError(f"the secret of callback key {name} has at least {MIN_SECRET} characters")

    @classmethod
    def parse(cls, text: str) -> "CallbackKeys":
        """From `name:secret[,name:secret]`, the signing key first. Raises ValueError, which never shows a secret."""
        pairs = [part.strip().partition(":") for part in text.split(",")]
        if any(not colon for _, colon, _ in pairs):
            raise ValueError("callback keys are written name:secret, separated by commas")
        if len({name for name, _, _ in pairs}) < len(pairs):
            raise ValueError("two callback keys have the same name")
        return cls({name: secret for name, _, secret in pairs})

    def sign(self, operation_id: UUID, tenant: str) -> str:
        """The token: key name, tenant, and the HMAC over both and the operation."""
        name, secret = next(iter(self.secrets.items()))
        return _token(name, secret, operation_id, tenant)

    def verify(self, operation_id: UUID, token: str) -> str | None:
        """The tenant that the token was made for, or None: it was not made for this operation by one of the keys."""
        if len(token) > MAX_TOKEN or not token.isascii():
            return None
        name, _, rest = token.partition(".")
        encoded_tenant, _, _ = rest.partition(".")
        secret = self.secrets.get(name)
        try:
            tenant = _decode(encoded_tenant).decode()
        except ValueError:
            return None
        # The whole of it: the same bytes can be written in base64 in several ways.
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
