"""Whose operations a request is about."""

from typing import Final

DEFAULT_TENANT: Final = "default"


async def default_tenant() -> str:
    """Without access control there is one tenant. Access control puts its own provider in this one's place."""
    return DEFAULT_TENANT
