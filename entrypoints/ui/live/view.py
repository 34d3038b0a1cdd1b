"""A view: the parts of a page that change while it is open."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from application.ports.clock import Clock
from application.tenant_ledger import TenantLedger
from domain.access.principal import Principal
from entrypoints.http.services import HttpServices


@dataclass(frozen=True, slots=True)
class Source:
    """What views are read from."""

    services: HttpServices
    clock: Clock

    @property
    def now(self) -> datetime:
        """The time of the service."""
        return self.clock.now()

    def ledger_of(self, tenant: str) -> TenantLedger:
        """The operations of a tenant, to be read."""
        return self.services.ledger.of(Principal(tenant))


@dataclass(frozen=True)
class View(ABC):
    """Everything that the content depends on. Equal views have the same content: it is rendered once for all."""

    tenant: str
    base: str
    """Prefix of the links."""

    template: ClassVar[str]
    """The parts, each between <!--part--> and <!--/part-->: one element with an id."""
    follows_changes: ClassVar[bool] = True
    """Whether a change of an operation of the tenant changes the content."""
    refresh: ClassVar[float] = 15.0
    """Seconds after which the content is read again without a change of an operation."""

    @abstractmethod
    async def read(self, source: Source) -> Mapping[str, Any]:
        """Reads what the template needs. Raises DatabaseUnavailable."""
