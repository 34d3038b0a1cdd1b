"""The tenants whose clients the campaign has."""

OWN = "default"
"""Of most operations."""
OTHER = "acme"
TENANTS = (OWN, OTHER)


def named_key(tenant: str, key: str) -> str:
    """An idempotency key with its tenant: each tenant has keys of its own."""
    return key if tenant == OWN else f"{tenant}/{key}"


def other_than(tenant: str) -> str:
    """The tenant that may see nothing of this one."""
    return OTHER if tenant == OWN else OWN


def client_of(tenant: str) -> str:
    """The name of the tenant's API key, which is the actor in histories."""
    return f"client-of-{tenant}"
