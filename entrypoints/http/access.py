"""Whose operations a request is about."""

from typing import Final

from litestar.di import NamedDependency

from application.services.tenant_ledger import TenantLedger
from domain.principal import Principal
from entrypoints.http.services import HttpServices

DEFAULT_TENANT: Final = "default"


async def anybody() -> Principal:
    """Without access control there is one tenant. Access control puts its own provider in this one's place."""
    return Principal(DEFAULT_TENANT)


def own_ledger(services: NamedDependency[HttpServices], principal: NamedDependency[Principal]) -> TenantLedger:
    """The ledger of the client that asks: all that a handler is given of it."""
    return services.ledger.of(principal)
