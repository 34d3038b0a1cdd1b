"""Opaque tokens: a few bytes, signed together with the query to which they belong."""

import base64
import binascii
import hmac
from typing import Final

MIN_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 16


class InvalidToken(Exception):
    """The token was modified, belongs to another query, or was signed with another key."""


class Signer:
    """Signs and checks tokens of one purpose, with a key derived for it (HMAC-SHA-256 of the purpose). All processes of
    one service share the key."""

    def __init__(self, key: bytes, purpose: str) -> None:
        """Raises ValueError for a key of less than MIN_KEY_BYTES."""
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(f"the key must have at least {MIN_KEY_BYTES} bytes")
        self._key = hmac.digest(key, f"opledger {purpose}".encode(), "sha256")

    def issue(self, query: bytes, content: bytes) -> str:
        """Returns the token. `query` is a digest, of fixed length."""
        return _text(content + self._sign(query, content))

    def read(self, query: bytes, token: str) -> bytes:
        """Returns the content. Raises InvalidToken."""
        raw = _bytes(token)
        content, signature = raw[:-SIGNATURE_BYTES], raw[-SIGNATURE_BYTES:]
        if _text(raw) != token or not hmac.compare_digest(signature, self._sign(query, content)):
            raise InvalidToken
        return content

    def _sign(self, query: bytes, content: bytes) -> bytes:
        return hmac.digest(self._key, query + content, "sha256")[:SIGNATURE_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _bytes(token: str) -> bytes:
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise InvalidToken from None
