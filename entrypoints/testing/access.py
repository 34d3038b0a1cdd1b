"""Access control of the ledger in memory."""

import re
from collections.abc import Sequence
from typing import Final

from domain.access.principal import DEFAULT_TENANT, Principal
from domain.access.scope import ALL_SCOPES
from entrypoints.http.security.authentication import NoAccessControl

_OF_TENANT: Final = re.compile(r"bearer +tenant:(?P<tenant>[!-~]+)", re.IGNORECASE)


class TenantsByName(NoAccessControl):
    """Every caller has all scopes: with the API key `tenant:NAME` in the tenant NAME, else in the default one."""

    def __init__(self) -> None:
        self.tenants: dict[str, None] = {DEFAULT_TENANT: None}
        """Tenants that have sent requests, and the default one."""

    async def principal(self, authorization: Sequence[str]) -> Principal:
        """The tenant of the key."""
        named = _OF_TENANT.fullmatch(authorization[0]) if len(authorization) == 1 else None
        tenant = DEFAULT_TENANT if named is None else named["tenant"]
        self.tenants[tenant] = None
        return Principal(tenant, scopes=ALL_SCOPES)
