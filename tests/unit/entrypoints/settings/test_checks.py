"""Checks of `opledger doctor`: access, callbacks, divergences, reconciliation, watch rules."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from adapters.identity_provider.key_set import KeySet
from adapters.memory.access.api_keys import MemoryApiKeys
from adapters.memory.clock import MemoryClock
from adapters.memory.engine.workflow_engine import MemoryWorkflowEngine
from adapters.memory.metrics import MemoryMetrics
from application.access.api_key_admin import ManageKeys
from application.adopt.rules import watch_rules
from application.dispatch.completion_callbacks import CompletionCallbacks
from application.operate.drift import ReadDrift
from application.ports.engine.index import QueryRefused
from application.ports.engine.workflow_engine import CallbackRefused, CompletionCallback
from application.ports.storage.drift_queries import Drift
from application.ports.token_verifier import IdentityProviderUnavailable
from domain.access.callback_token import TOKEN_HEADER
from domain.access.scope import ALL_SCOPES
from domain.errors import OpledgerError
from domain.operation.attention import AttentionKind
from domain.operation.operation_type import OperationCatalogue, OperationType
from entrypoints.settings.checks import (
    MAX_LISTED,
    check_access,
    check_callbacks,
    check_divergences,
    check_reconciliation,
    check_sign_in,
    check_watch_rules,
)
from entrypoints.settings.settings import Settings
from entrypoints.wiring.identity_provider import identity_provider
from tests.support.http.api import KEYS
from tests.support.http.identity_provider import IdentityProvider
from tests.support.http.openid_provider import CLIENT_ID, openid_provider, openid_settings
from tests.support.randomness import counting


class Engine:
    """Accepts callbacks, or refuses them with a message."""

    def __init__(self, refusal: str = "") -> None:
        self._refusal = refusal
        self.asked: list[CompletionCallback] = []

    async def check_callback(self, callback: CompletionCallback) -> None:
        self.asked.append(callback)
        if self._refusal:
            raise CallbackRefused(self._refusal)


def callbacks(url: str | None) -> CompletionCallbacks:
    return CompletionCallbacks(url, KEYS, MemoryClock(), MemoryMetrics())


async def test_callbacks_that_are_off_are_ok() -> None:
    """They are optional. The server is not asked."""
    engine = Engine()
    assert (await check_callbacks(callbacks(None), engine.check_callback)).startswith(
        "off: OPLEDGER_CALLBACK_URL is not set"
    )
    assert not engine.asked


async def test_accepted_callbacks_are_ok() -> None:
    """The server is asked with a callback of no operation, with the configured URL and a token."""
    engine = Engine()
    assert await check_callbacks(callbacks("http://ledger:1"), engine.check_callback) == "the server accepts them"
    assert engine.asked[0].url == f"http://ledger:1/v1/callbacks/{UUID(int=0)}"
    assert engine.asked[0].headers.keys() == {TOKEN_HEADER}


@pytest.mark.parametrize(
    ("url", "setting"),
    [
        ("http://ledger:1/base", 'callback.allowedAddresses=[{"Pattern":"ledger:1","AllowInsecure":true}]'),
        ("https://ledger", 'callback.allowedAddresses=[{"Pattern":"ledger","AllowInsecure":false}]'),
        ("http://[::1]:80", 'callback.allowedAddresses=[{"Pattern":"[::1]:80","AllowInsecure":true}]'),
    ],
)
async def test_a_refusal_says_what_to_set(url: str, setting: str) -> None:
    """It has the server's message and the setting for its configuration."""
    with pytest.raises(CallbackRefused) as caught:
        await check_callbacks(callbacks(url), Engine("url does not match").check_callback)
    assert "url does not match" in str(caught.value)
    assert str(caught.value).endswith(setting)


class Queries:
    """That many diverged operations, and a watermark of that age."""

    def __init__(self, number: int, watermark_age: timedelta | None = None) -> None:
        self._ids = [UUID(int=number) for number in range(number)]
        self._age = watermark_age

    async def drift(self) -> Drift:
        return Drift(None, {AttentionKind.DIVERGED: len(self._ids)}, self._age)

    async def diverged(self, limit: int) -> list[UUID]:
        return self._ids[:limit]


async def test_no_divergence_is_ok() -> None:
    """The check returns "none"."""
    assert await check_divergences(ReadDrift(Queries(0), MemoryClock())) == "none"


async def test_divergences_are_listed() -> None:
    """The latest by id, the total, and the request that lists all."""
    with pytest.raises(OpledgerError) as caught:
        await check_divergences(ReadDrift(Queries(MAX_LISTED + 5), MemoryClock()))
    words = str(caught.value)
    assert words.startswith(f"the engine contradicts the status of {MAX_LISTED + 5} final operations")
    assert words.endswith("GET /v1/operations?attention=DIVERGED")
    assert words.count("00000000-") == MAX_LISTED


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (None, "no pass is complete yet"),
        (timedelta(seconds=70), "the last complete pass began 70 s ago"),
        (timedelta(minutes=16), "the last complete pass began 960 s ago"),
    ],
)
async def test_a_recent_reconciliation_is_ok(age: timedelta | None, words: str) -> None:
    """And so is the time before the first pass ends."""
    drift = ReadDrift(Queries(0, age), MemoryClock())
    assert await check_reconciliation(drift, timedelta(minutes=1)) == words


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(days=-9), "the watermark is 9 days, 0:00:00 in the future: the next pass repairs it"),
        (timedelta(minutes=17), "the last complete pass began 0:17:00 ago; passes are scheduled every 0:01:00"),
    ],
)
async def test_a_wrong_or_old_watermark_is_an_error(age: timedelta, words: str) -> None:
    """Hazard 33: a watermark in the future, and passes that have stopped."""
    with pytest.raises(OpledgerError) as caught:
        await check_reconciliation(ReadDrift(Queries(0, age), MemoryClock()), timedelta(minutes=1))
    assert str(caught.value) == words


async def test_access_is_described() -> None:
    """No access control, the number of valid keys, the keys of the issuer."""
    clock, keys, provider = MemoryClock(), MemoryApiKeys(), IdentityProvider()
    key_set = KeySet(provider.source, "RS256")
    open_to_all, by_keys = Settings(), Settings(access="keys")
    both = Settings(access="keys,jwt", jwt_issuer="https://id", jwt_audience="a", jwt_jwks="file")
    assert "every process on this machine" in await check_access(open_to_all, keys, None, clock)
    assert (await check_access(by_keys, keys, None, clock)).startswith("no valid API key: `opledger keys create`")
    manage = ManageKeys(keys, clock, counting())
    for life in (timedelta(seconds=1), None, None):
        made = await manage.create("n", tenant="t", scopes=ALL_SCOPES, life=life)
    await manage.revoke(made.stored.prefix)
    clock.advance(timedelta(seconds=1))
    assert await check_access(both, keys, key_set, clock) == "valid API keys: 1; keys of https://id: 1"
    provider.away = IdentityProviderUnavailable("gone")
    with pytest.raises(IdentityProviderUnavailable, match="gone"):
        await check_access(both, keys, key_set, clock)


async def test_sign_in_is_described() -> None:
    """Only where tokens are accepted. The configuration of the provider is read."""
    without = Settings(access="jwt", jwt_issuer="https://id", jwt_audience="a", jwt_jwks="file")
    assert await check_sign_in(Settings(access="keys"), None) is None
    assert "OPLEDGER_OIDC_CLIENT_ID is not set" in str(await check_sign_in(without, None))
    async with openid_provider() as provider:
        settings = Settings(**openid_settings(provider))
        configured = identity_provider(settings)
        assert configured is not None
        sign_in = configured.sign_in
        assert await check_sign_in(settings, sign_in) == f"OpenID Connect, as {CLIENT_ID} at {provider.issuer}"
        provider.published = {"issuer": "https://other"}
        with pytest.raises(IdentityProviderUnavailable, match="is the configuration of 'https://other'"):
            await check_sign_in(settings, sign_in)


async def test_watch_rules_are_tried() -> None:
    """The types that adopt executions, or the one whose query the engine refuses."""
    clock = MemoryClock()
    engine = MemoryWorkflowEngine(clock)
    order = OperationType("order", "Order", "shop", adopt=True, query="Region = 'eu'")
    types = {"order": order, "any": replace(order, name="any", query=None)}
    assert await check_watch_rules([], engine, clock) == "no type has adopt = true"
    assert await check_watch_rules(watch_rules(OperationCatalogue(types)), engine, clock) == "order, any"
    bad = OperationCatalogue(types | {"bad": replace(order, name="bad", query="Region LIKE")})
    with pytest.raises(QueryRefused, match="type bad is refused: invalid query"):
        await check_watch_rules(watch_rules(bad), engine, clock)
