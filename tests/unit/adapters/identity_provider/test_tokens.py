"""JSON Web Tokens: which ones are refused, and how the provider's keys are cached."""

import asyncio
import base64
import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from adapters.identity_provider import http
from adapters.identity_provider.key_set import KeySet
from adapters.identity_provider.key_source import key_source
from adapters.identity_provider.published import MIN_REFRESH_INTERVAL, REFRESH_INTERVAL
from adapters.identity_provider.verifier import LEEWAY, JwtVerifier, TokenRules
from application.ports.token_verifier import IdentityProviderUnavailable
from domain.access.credentials import InvalidCredentials
from domain.access.scope import Scope
from entrypoints.settings.access import Algorithm
from tests.support.http.identity_provider import RULES, IdentityProvider

NOW = int(time.time())


class World:
    """A provider, a clock that tests move, and the verifier."""

    def __init__(self, rules: TokenRules = RULES) -> None:
        self.provider, self.now = IdentityProvider(), 0.0
        self.keys = KeySet(self.provider.source, rules.algorithm, lambda: self.now)
        self.verifier = JwtVerifier(rules, self.keys)

    async def refused(self, token: str, message: str) -> None:
        with pytest.raises(InvalidCredentials, match=message) as caught:
            await self.verifier.verify(token)
        assert token.split(".")[1] not in str(caught.value)


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"iss": "https://other.example"}, "another issuer's"),
        ({"iss": None}, "lacks the claim iss"),
        ({"aud": "another service"}, "not for this audience"),
        ({"aud": None}, "lacks the claim aud"),
        ({"exp": NOW - 60}, "has expired"),
        ({"exp": None}, "lacks the claim exp"),
        ({"exp": "soon"}, "not valid"),
        ({"nbf": NOW + 3600}, "not valid"),
        ({"sub": None}, "lacks the claim sub"),
        ({"sub": ""}, "sub names no subject"),
        ({"tenant": None}, "claim tenant names no tenant"),
        ({"tenant": ""}, "claim tenant names no tenant"),
        ({"tenant": ["a"]}, "claim tenant names no tenant"),
        ({"tenant": "a\x00"}, "claim tenant names no tenant"),
        ({"tenant": "x" * 256}, "claim tenant names no tenant"),
        ({"scope": 7}, "claim scope is neither"),
    ],
)
async def test_missing_or_wrong_claims_are_refused_by_name(claims: dict[str, Any], message: str) -> None:
    """Their signature is valid."""
    world = World()
    await world.refused(world.provider.token(**claims), message)


async def test_expiry_has_a_leeway() -> None:
    """A token is valid until LEEWAY seconds after its expiry."""
    world = World()
    now = int(time.time())
    assert LEEWAY >= 5
    principal = await world.verifier.verify(world.provider.token(exp=now - 2, iat=now + 2))
    assert principal.expires_at == datetime.fromtimestamp(now - 2 + LEEWAY, UTC)
    endless = await world.verifier.verify(world.provider.token(exp=10**18))
    assert endless.expires_at is None


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        ("read submit", {Scope.READ, Scope.SUBMIT}),
        (["cancel", "openid", 7], {Scope.CANCEL}),
        ("reader READ", set()),
        (None, set()),
    ],
)
async def test_scopes_are_a_text_or_a_list(scope: Any, scopes: set[Scope]) -> None:
    """Whole words. Unknown scopes are ignored."""
    world = World()
    assert (await world.verifier.verify(world.provider.token(scope=scope))).scopes == scopes


async def test_claim_names_can_be_configured() -> None:
    """Identity providers use different ones."""
    world = World(TokenRules(RULES.issuer, RULES.audience, "RS256", "https://a.example/org", "scp"))
    claims: dict[str, Any] = {"https://a.example/org": "b", "scp": ["admin"], "aud": ["x", "opledger"]}
    token = world.provider.token(**claims)
    principal = await world.verifier.verify(token)
    assert (principal.tenant, principal.scopes) == ("b", frozenset({Scope.ADMIN}))


async def test_the_algorithm_is_pinned() -> None:
    """The token cannot choose it: neither `none`, nor an HMAC, nor another one for the same key."""
    world = World()
    good = world.provider.token()
    body = good.split(".")[1]
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    await world.refused(f"{none}.{body}.", "not signed with RS256")
    await world.refused(world.provider.token(algorithm="HS256", key="x" * 64), "not signed with RS256")
    await world.refused(world.provider.token(algorithm="RS512"), "not signed with RS256")


@pytest.mark.parametrize("algorithm", get_args(Algorithm))
async def test_every_supported_algorithm_verifies(algorithm: str) -> None:
    """The key is found among others, with or without `alg`."""
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    private: Any
    as_jwk: Any
    if algorithm == "EdDSA":
        private, as_jwk = ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm.to_jwk
    elif algorithm in curves:
        private, as_jwk = ec.generate_private_key(curves[algorithm]), ECAlgorithm.to_jwk
    else:
        private, as_jwk = rsa.generate_private_key(65537, 2048), RSAAlgorithm.to_jwk
    world = World(replace(RULES, algorithm=algorithm))
    public = {**as_jwk(private.public_key(), as_dict=True), "kid": "its"}
    for stated in ({}, {"alg": algorithm}):
        listed = json.dumps({"keys": [world.provider.jwk(1), {**public, **stated}]}).encode()
        world.provider.key_set = lambda listed=listed: listed  # type: ignore[misc, method-assign]
        await world.keys.check()
        token = world.provider.token(headers={"kid": "its"}, algorithm=algorithm, key=private)
        assert (await world.verifier.verify(token)).actor == "person"
        head, body, _ = token.split(".")
        other = world.provider.token(headers={"kid": "its"}, algorithm=algorithm, key=private, sub="other")
        await world.refused(f"{head}.{body}.{other.split('.')[2]}", "not valid")


async def test_invalid_signatures_are_refused() -> None:
    """Another key with the same id, other claims, a truncated signature."""
    world, stranger = World(), IdentityProvider()
    stranger.rotate()
    head, body, signature = world.provider.token().split(".")
    _, other_body, _ = world.provider.token(tenant="b").split(".")
    await world.refused(stranger.token(headers={"kid": "key 0"}), "not valid")
    await world.refused(f"{head}.{other_body}.{signature}", "not valid")
    await world.refused(f"{head}.{body}.", "not valid")
    await world.refused(stranger.token(), "key is not one of the issuer's")


async def test_a_token_without_a_key_id_is_verified_with_the_only_key() -> None:
    """Without further reads; with two keys it is refused."""
    world = World()
    for _ in range(3):
        await world.verifier.verify(world.provider.token(headers={}))
        world.now += MIN_REFRESH_INTERVAL
    assert world.provider.read == 1
    world.provider.rotate()
    await world.verifier.verify(world.provider.token())
    await world.refused(world.provider.token(headers={}), "not one of the issuer's")


# The cache of keys


async def test_an_unknown_key_id_causes_one_read_per_interval() -> None:
    """A rotation is noticed with the first token."""
    world = World()
    await world.verifier.verify(world.provider.token())
    world.provider.rotate()
    world.now += MIN_REFRESH_INTERVAL
    await world.verifier.verify(world.provider.token())
    assert world.provider.read == 2
    for _ in range(20):
        await world.refused(world.provider.token(headers={"kid": "nobody's"}), "not one of the issuer's")
    assert world.provider.read == 2
    world.now += MIN_REFRESH_INTERVAL
    await world.refused(world.provider.token(headers={"kid": "nobody's"}), "not one of the issuer's")
    assert world.provider.read == 3


async def test_concurrent_tokens_cause_one_read() -> None:
    """The others wait for it."""
    world = World()
    await asyncio.gather(*(world.verifier.verify(world.provider.token()) for _ in range(20)))
    assert world.provider.read == 1


async def test_a_revoked_key_is_accepted_until_the_next_read() -> None:
    """Which happens in the background."""
    world = World()
    old = world.provider.token()
    await world.verifier.verify(old)
    world.provider.rotate()
    world.provider.published = [1]
    world.now += REFRESH_INTERVAL
    await world.verifier.verify(old)
    await world.keys.key("unknown")  # waits for the read in the background
    await world.refused(old, "not one of the issuer's")


async def test_cached_keys_stay_in_use_while_the_provider_is_unavailable() -> None:
    """Before the first read, verification is unavailable. Reads are retried."""
    world = World()
    world.provider.away = IdentityProviderUnavailable("gone")
    for _ in range(3):
        with pytest.raises(IdentityProviderUnavailable):
            await world.verifier.verify(world.provider.token())
    assert world.provider.read == 1
    world.provider.away, world.now = None, MIN_REFRESH_INTERVAL
    await world.verifier.verify(world.provider.token())
    world.provider.away = IdentityProviderUnavailable("gone again")
    for _ in range(3):
        world.now += REFRESH_INTERVAL
        await world.verifier.verify(world.provider.token())
        await world.keys.key("unknown")  # waits for the read in the background
    assert world.provider.read == 5


async def test_missing_certificates_make_the_provider_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The HTTP client cannot even be made: no answer of the provider, and no internal error."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(IdentityProviderUnavailable, match="cannot be read"):
        await key_source("https://localhost:1/jwks")()


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"keys": []}', b'{"keys": 1}', b'{"keys": [1]}', b"\xff", b'{"keys": [{}]}']
)
async def test_an_invalid_key_set_does_not_replace_the_keys(content: bytes) -> None:
    """The read fails."""
    world = World()
    await world.verifier.verify(world.provider.token())
    world.provider.key_set = lambda: content  # type: ignore[method-assign]
    world.now += MIN_REFRESH_INTERVAL
    with pytest.raises(InvalidCredentials):
        await world.verifier.verify(world.provider.token(headers={"kid": "new"}))
    assert world.provider.read == 2
    await world.verifier.verify(world.provider.token())
    with pytest.raises(IdentityProviderUnavailable):
        await world.keys.check()


async def test_keys_for_other_purposes_are_ignored() -> None:
    """For encryption, for another algorithm, of another kind, or invalid."""
    world = World()
    jwk = world.provider.jwk
    others = [
        jwk(1, kid="a", use="enc"),
        jwk(1, kid="b", alg="RS512"),
        {"kty": "oct", "k": "c2VjcmV0", "kid": "c"},
        {"kty": "new", "kid": "d"},
    ]
    keys = json.dumps({"keys": [*others, jwk(0)]}).encode()
    world.provider.key_set = lambda: keys  # type: ignore[method-assign]
    await world.verifier.verify(world.provider.token())
    assert await world.keys.check() == 1


# Key sources


async def test_a_file_is_read(tmp_path: Path) -> None:
    """The error of a missing one names it."""
    path = tmp_path / "jwks.json"
    with pytest.raises(IdentityProviderUnavailable, match=r"jwks\.json cannot be read"):
        await key_source(str(path))()
    path.write_bytes(b"keys")
    assert await key_source(str(path))() == b"keys"


async def test_a_url_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Completely and up to a size. Any other answer is an error that says what it was."""
    answers = {
        "/good": httpx.Response(200, content=b"keys"),
        "/gone": httpx.Response(404, content=b"keys"),
        "/moved": httpx.Response(302, headers={"Location": "/good"}),
        "/large": httpx.Response(200, content=b"x" * (http.MAX_BYTES + 1)),
    }

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path not in answers:
            raise httpx.ConnectError("refused")
        return answers[request.url.path]

    client = httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **fields: client(transport=httpx.MockTransport(answer), **fields))
    assert await key_source("https://id.example/good")() == b"keys"
    for path, message in {"gone": "404", "moved": "302", "large": "more than", "down": "refused"}.items():
        with pytest.raises(IdentityProviderUnavailable, match=message):
            await key_source(f"https://id.example/{path}")()
