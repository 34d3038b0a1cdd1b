"""Checks of `opledger doctor`: access, callbacks, divergences, reconciliation, watch rules."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from application.adopt.rules import WatchRule
from application.dispatch.completion_callbacks import CompletionCallbacks
from application.operate.drift import ReadDrift
from application.ports.clock import Clock
from application.ports.engine.index import QueryRefused
from application.ports.engine.workflow_engine import CallbackRefused, CompletionCallback, WorkflowEngine
from application.ports.sign_in import SignInProvider
from application.ports.storage.api_keys import ApiKeys
from domain.errors import OpledgerError
from domain.operation.attention import AttentionKind
from entrypoints.settings.callback_addresses import ALLOWED_ADDRESSES, allowed_addresses
from entrypoints.settings.settings import Settings

MAX_LISTED = 10
"""Most divergences in a message."""
_NO_OPERATION = UUID(int=0)


class KeySetCheck(Protocol):
    """The identity provider's keys."""

    async def check(self) -> int:
        """Returns the number of keys. Raises IdentityProviderUnavailable."""


async def check_access(settings: Settings, api_keys: ApiKeys, key_set: KeySetCheck | None, clock: Clock) -> str:
    """Describes who may use the API. Raises DatabaseUnavailable, IdentityProviderUnavailable."""
    if settings.access == "none":
        return "no access control: every process on this machine may do everything; OPLEDGER_ACCESS is none"
    parts = []
    if "keys" in settings.access:
        now = clock.now()
        valid = sum(key.is_valid(now) for key in await api_keys.list())
        parts.append(f"valid API keys: {valid}" if valid else "no valid API key: `opledger keys create` makes one")
    if key_set is not None:
        parts.append(f"keys of {settings.jwt_issuer}: {await key_set.check()}")
    return "; ".join(parts)


async def check_sign_in(settings: Settings, provider: SignInProvider | None) -> str | None:
    """Describes how people sign in to the dashboard; None without an identity provider. Raises
    IdentityProviderUnavailable."""
    if "jwt" not in settings.access:
        return None
    if provider is None:
        return "people cannot sign in with an account: OPLEDGER_OIDC_CLIENT_ID is not set; a proxy may send their token"
    await provider.check()
    return f"OpenID Connect, as {settings.oidc_client_id} at {provider.issuer}"


async def check_callbacks(callbacks: CompletionCallbacks, ask: Callable[[CompletionCallback], Awaitable[None]]) -> str:
    """Describes the callbacks; `ask` is the engine's `check_callback`. Raises EngineUnavailable, and CallbackRefused
    with the setting that the server needs."""
    callback = callbacks.of(_NO_OPERATION, "")
    if callback is None:
        return "off: OPLEDGER_CALLBACK_URL is not set; the close poll finds closed executions"
    try:
        await ask(callback)
    except CallbackRefused as refusal:
        setting = f"{ALLOWED_ADDRESSES}={allowed_addresses(callback.url)}"
        raise CallbackRefused(
            f"the server refuses callbacks, so executions start without: {refusal}; set its dynamic config {setting}"
        ) from None
    return "the server accepts them"


async def check_divergences(drift: ReadDrift) -> str:
    """Returns "none". Raises OpledgerError with the latest divergences if there are any, DatabaseUnavailable."""
    latest = await drift.diverged(MAX_LISTED)
    if not latest:
        return "none"
    number = (await drift.read()).attention.get(AttentionKind.DIVERGED, len(latest))
    raise OpledgerError(
        f"the engine contradicts the status of {number} final operations: "
        f"{', '.join(map(str, latest))}; list all with GET /v1/operations?attention={AttentionKind.DIVERGED}"
    )


async def check_reconciliation(drift: ReadDrift, every: timedelta) -> str:
    """Describes the last complete pass. Raises OpledgerError if it began in the future or more than PASS_DELAY after it
    was due, DatabaseUnavailable."""
    report = await drift.read()
    age = report.watermark_age
    if age is None:
        return "no pass is complete yet"
    if age < timedelta():
        raise OpledgerError(f"the watermark is {-age} in the future: the next pass repairs it")
    if report.pass_is_missing(every):
        raise OpledgerError(f"the last complete pass began {age} ago; passes are scheduled every {every}")
    return f"the last complete pass began {age.total_seconds():.0f} s ago"


async def check_watch_rules(rules: Sequence[WatchRule], engine: WorkflowEngine, clock: Clock) -> str:
    """Returns which types adopt executions. Raises QueryRefused with the type of a rule whose query the engine
    refuses."""
    for rule in rules:
        try:
            await engine.started_since(clock.now(), [rule.watch])
        except QueryRefused as refusal:
            raise QueryRefused(f"the query of type {rule.type.name} is refused: {refusal}") from None
    return ", ".join(rule.type.name for rule in rules) or "no type has adopt = true"
