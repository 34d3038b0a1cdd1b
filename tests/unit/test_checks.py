"""What `doctor` says of callbacks and divergences."""

from uuid import UUID

import pytest

from adapters.memory.clock import MemoryClock
from adapters.memory.metrics import MemoryMetrics
from application.ports.drift_queries import Drift
from application.ports.workflow_engine import CallbackRefused, CompletionCallback
from application.services.completion_callbacks import CompletionCallbacks
from application.services.drift import ReadDrift
from domain.attention import AttentionKind
from domain.callback_token import TOKEN_HEADER
from domain.errors import OpledgerError
from entrypoints.checks import LISTED, check_callbacks, check_divergences
from tests.support.http_api import KEYS


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

    def __init__(self, number: int) -> None:
        self._ids = [UUID(int=number) for number in range(number)]

    async def drift(self) -> Drift:
        return Drift(None, {AttentionKind.DIVERGED: len(self._ids)})

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
