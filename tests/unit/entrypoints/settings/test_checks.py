"""What `doctor` says of access, callbacks and divergences."""

from datetime import timedelta
from uuid import UUID

import pytest

from adapters.jwt.key_set import KeySet
from adapters.memory.access.api_keys import MemoryApiKeys
from adapters.memory.clock import MemoryClock
from adapters.memory.metrics import MemoryMetrics
from application.access.api_key_admin import ManageKeys
from application.dispatch.completion_callbacks import CompletionCallbacks
from application.operate.drift import ReadDrift
from application.ports.drift_queries import Drift
from application.ports.token_verifier import IdentityProviderUnavailable
from application.ports.workflow_engine import CallbackRefused, CompletionCallback
from domain.access.callback_token import TOKEN_HEADER
from domain.access.scope import ALL_SCOPES
from domain.errors import OpledgerError
from domain.operation.attention import AttentionKind
from entrypoints.settings.checks import LISTED, check_access, check_callbacks, check_divergences, check_reconciliation
from entrypoints.settings.settings import Settings
from tests.support.http_api import KEYS
from tests.support.identity_provider import IdentityProvider
from tests.support.randomness import counting


class Engine:
    """Takes callbacks, or refuses them."""

    def __init__(self, refusal: str = "") -> None:
        self._refusal = refusal
        self.asked: list[CompletionCallback] = []

    async def check_callback(self, callback: CompletionCallback) -> None:
        self.asked.append(callback)
        if self._refusal:
            raise CallbackRefused(self._refusal)


def callbacks(url: str | None) -> CompletionCallbacks:
    return CompletionCallbacks(url, KEYS, MemoryClock(), MemoryMetrics())


async def test_callbacks_that_are_off_are_well() -> None:
    """Nobody has to have them; the words say how it is, and the server is not asked."""
    engine = Engine()
    assert (await check_callbacks(callbacks(None), engine.check_callback)).startswith(
        "off: OPLEDGER_CALLBACK_URL is not set"
    )
    assert not engine.asked


async def test_callbacks_that_the_server_takes_are_well() -> None:
    """Asked with a callback of no operation, at the right place and with a token."""
    engine = Engine()
    assert await check_callbacks(callbacks("http://ledger:1"), engine.check_callback) == "taken by the server"
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
    """The server's words, and the line for its configuration."""
    with pytest.raises(CallbackRefused) as caught:
        await check_callbacks(callbacks(url), Engine("url does not match").check_callback)
    assert "url does not match" in str(caught.value)
    assert str(caught.value).endswith(setting)


class Queries:
    """So many that have diverged."""

    def __init__(self, number: int, watermark_age: timedelta | None = None) -> None:
        self._ids = [UUID(int=number) for number in range(number)]
        self._age = watermark_age

    async def drift(self) -> Drift:
        return Drift(None, {AttentionKind.DIVERGED: len(self._ids)}, self._age)

    async def diverged(self, limit: int) -> list[UUID]:
        return self._ids[:limit]


async def test_without_divergences_all_is_well() -> None:
    """And says so."""
    assert await check_divergences(ReadDrift(Queries(0), MemoryClock())) == "none"


async def test_divergences_are_named() -> None:
    """The latest by id, the number of all, and how to see them."""
    with pytest.raises(OpledgerError) as caught:
        await check_divergences(ReadDrift(Queries(LISTED + 5), MemoryClock()))
    words = str(caught.value)
    assert words.startswith(f"{LISTED + 5} final operations")
    assert words.endswith("GET /v1/operations?attention=DIVERGED")
    assert words.count("00000000-") == LISTED


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (None, "no pass has ended yet"),
        (timedelta(seconds=70), "the last complete pass began 70 s ago"),
        (timedelta(minutes=16), "the last complete pass began 960 s ago"),
    ],
)
async def test_reconciliation_is_well(age: timedelta | None, words: str) -> None:
    """Passes end, about as often as they are scheduled."""
    drift = ReadDrift(Queries(0, age), MemoryClock())
    assert await check_reconciliation(drift, timedelta(minutes=1)) == words


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(days=-9), "the watermark is 9 days, 0:00:00 in the future: the next pass repairs it"),
        (timedelta(minutes=17), "the last complete pass began 0:17:00 ago; passes are scheduled every 0:01:00"),
    ],
)
async def test_reconciliation_is_not_well(age: timedelta, words: str) -> None:
    """Hazard 33: `doctor` names a watermark in the future, and passes that have stopped."""
    with pytest.raises(OpledgerError) as caught:
        await check_reconciliation(ReadDrift(Queries(0, age), MemoryClock()), timedelta(minutes=1))
    assert str(caught.value) == words


async def test_access() -> None:
    """Who may use the API: everybody, so many keys, whoever has a token of the issuer."""
    clock, keys, provider = MemoryClock(), MemoryApiKeys(), IdentityProvider()
    key_set = KeySet(provider.source, "RS256")
    open_to_all, by_keys = Settings(), Settings(access="keys")
    both = Settings(access="keys,jwt", jwt_issuer="https://id", jwt_audience="a", jwt_jwks="file")
    assert "everybody on this machine" in await check_access(open_to_all, keys, None, clock)
    assert (await check_access(by_keys, keys, None, clock)).startswith("no API key yet: `opledger keys create`")
    manage = ManageKeys(keys, clock, counting())
    for life in (timedelta(seconds=1), None, None):
        made = await manage.create("n", tenant="t", scopes=ALL_SCOPES, life=life)
    await manage.revoke(made.stored.prefix)
    clock.advance(timedelta(seconds=1))
    assert await check_access(both, keys, key_set, clock) == "API keys that count: 1; keys of https://id: 1"
    provider.away = IdentityProviderUnavailable("gone")
    with pytest.raises(IdentityProviderUnavailable, match="gone"):
        await check_access(both, keys, key_set, clock)
