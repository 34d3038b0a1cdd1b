"""An identity provider with keys of its own, for tests."""

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from adapters.identity_provider.verifier import TokenRules

RULES = TokenRules("https://id.example", "opledger", "RS256", "tenant", "scope")
_KEYS = [rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(3)]


class IdentityProvider:
    """Signs tokens with the newest of the keys that it publishes."""

    def __init__(self) -> None:
        self.current = 0
        self.published = [0]
        self.read = 0
        self.away: Exception | None = None

    def rotate(self) -> None:
        """A new key from now on, beside the old."""
        self.current += 1
        self.published.append(self.current)

    def key_set(self) -> bytes:
        """The JSON Web Key Set."""
        return json.dumps({"keys": [self.jwk(number) for number in self.published]}).encode()

    def jwk(self, number: int, **fields: Any) -> dict[str, Any]:
        """One public key."""
        key: dict[str, Any] = RSAAlgorithm.to_jwk(_KEYS[number].public_key(), as_dict=True)
        return {**key, "kid": f"key {number}", "use": "sig", "alg": "RS256", **fields}

    async def source(self) -> bytes:
        """The key set as a KeySource."""
        self.read += 1
        if self.away is not None:
            raise self.away
        return self.key_set()

    def token(
        self, *, headers: dict[str, Any] | None = None, algorithm: str = "RS256", key: Any = None, **claims: Any
    ) -> str:
        """A good token, but for what is given. A claim that is None is left out."""
        now = int(time.time())
        good = {
            "iss": RULES.issuer,
            "aud": RULES.audience,
            "sub": "person",
            "tenant": "a",
            "scope": "openid read",
            "iat": now,
            "exp": now + 600,
        }
        payload = {name: value for name, value in {**good, **claims}.items() if value is not None}
        head = {"kid": f"key {self.current}"} if headers is None else headers
        return jwt.encode(payload, key or _KEYS[self.current], algorithm=algorithm, headers=head)
