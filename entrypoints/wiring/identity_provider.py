"""What the API needs of an identity provider."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from application.ports.token_verifier import TokenVerifier


@dataclass(frozen=True)
class IdentityProvider:
    """An identity provider whose tokens the API accepts."""

    verifier: TokenVerifier
    check: Callable[[], Coroutine[Any, Any, int]]
    """Returns the number of its keys. Raises IdentityProviderUnavailable."""
