"""Callback tokens, made by what is written of them and not by the service's code."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from uuid import UUID


def token(key: str, secret: str, operation_id: UUID, tenant: str) -> str:
    """Key name, tenant, and the HMAC-SHA256 over key name, operation and tenant, which NUL separates."""
    message = b"\0".join((key.encode(), operation_id.bytes, tenant.encode()))
    parts = (tenant.encode(), hmac.new(secret.encode(), message, hashlib.sha256).digest())
    return ".".join([key, *(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)])
