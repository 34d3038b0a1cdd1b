"""What `doctor` asks beyond what is reachable: whether the engine would call, and whether it disagrees."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from application.dispatch.completion_callbacks import CompletionCallbacks
from application.operate.drift import ReadDrift
from application.ports.api_keys import ApiKeys
from application.ports.clock import Clock
from application.ports.workflow_engine import CallbackRefused, CompletionCallback
from domain.errors import OpledgerError
from domain.operation.attention import AttentionKind
from entrypoints.settings.callback_addresses import ALLOWED_ADDRESSES, allowed_addresses
from entrypoints.settings.settings import Settings

LISTED = 10
LATE = timedelta(minutes=15)
"""How much longer than its interval a pass may take before that is worth a look."""
_NO_OPERATION = UUID(int=0)


class KeySetCheck(Protocol):
    """The identity provider's keys."""

    async def check(self) -> int:
        """How many there are. Raises IdentityProviderUnavailable."""


async def check_access(settings: Settings, api_keys: ApiKeys, key_set: KeySetCheck | None, clock: Clock) -> str:
    """Who may use the API. Raises DatabaseUnavailable, IdentityProviderUnavailable."""
    if settings.access == "none":
        return "everybody on this machine may do everything: OPLEDGER_ACCESS is none"
    words = []
    if "keys" in settings.access:
        now = clock.now()
        valid = sum(key.is_valid(now) for key in await api_keys.list())
        words.append(f"API keys that count: {valid}" if valid else "no API key yet: `opledger keys create` makes one")
    if key_set is not None:
        words.append(f"keys of {settings.jwt_issuer}: {await key_set.check()}")
    return "; ".join(words)


async def check_callbacks(callbacks: CompletionCallbacks, ask: Callable[[CompletionCallback], Awaitable[None]]) -> str:
    """What is well about them; `ask` is the engine's `check_callback`. Raises CallbackRefused, with what to set on the
    server, EngineUnavailable."""
    callback = callbacks.of(_NO_OPERATION, "")
    if callback is None:
        return "off: OPLEDGER_CALLBACK_URL is not set; closes are found by asking"
    try:
        await ask(callback)
    except CallbackRefused as refusal:
        setting = f"{ALLOWED_ADDRESSES}={allowed_addresses(callback.url)}"
        raise CallbackRefused(
            f"the server refuses them, and starts go on without: {refusal}; set its dynamic config {setting}"
        ) from None
    return "taken by the server"


async def check_divergences(drift: ReadDrift) -> str:
    """That there are none. Raises OpledgerError with the latest, DatabaseUnavailable."""
    latest = await drift.diverged(LISTED)
    if not latest:
        return "none"
    number = (await drift.read()).attention.get(AttentionKind.DIVERGED, len(latest))
    raise OpledgerError(
        f"{number} final operations, of which the engine has since said something else: "
        f"{', '.join(map(str, latest))}; all of them: GET /v1/operations?attention={AttentionKind.DIVERGED}"
    )


async def check_reconciliation(drift: ReadDrift, every: timedelta) -> str:
    """When the last pass that has ended began. Raises OpledgerError where that is in the future, or long ago;
    DatabaseUnavailable."""
    age = (await drift.read()).watermark_age
    if age is None:
        return "no pass has ended yet"
    if age < timedelta():
        raise OpledgerError(f"the watermark is {-age} in the future: the next pass repairs it")
    if age > every + LATE:
        raise OpledgerError(f"the last complete pass began {age} ago; passes are scheduled every {every}")
    return f"the last complete pass began {age.total_seconds():.0f} s ago"
