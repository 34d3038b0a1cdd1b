"""Runs the embedded parts for `up` and `demo`, with hooks for migration and search attribute."""

import os
from collections.abc import Callable

from entrypoints.local.embedded.supervisor import SupervisorEvent
from entrypoints.local.embedded.up import Hook
from entrypoints.wiring import migrations


def temporal_from_environment() -> str | None:
    """Returns the address of a Temporal server of the environment; None if there is none.

    Without one the embedded server is used, and everything else that the environment or a profile says about reaching
    Temporal (TLS, API keys) is about some other server: it is taken out of this process's environment, and so out of
    its children's.
    """
    address = os.environ.get("TEMPORAL_ADDRESS")
    if address:
        return address
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        del os.environ[name]
    os.environ["TEMPORAL_CONFIG_FILE"] = os.devnull
    return None


def namespace_from_environment() -> str:
    """Returns the namespace on that server."""
    return os.environ.get("TEMPORAL_NAMESPACE") or "default"


async def migrate(database_url: str) -> None:
    """Hook: migrates the database to this version's schema."""
    await migrations.migrate(database_url)


def prepare_temporal(ours: bool) -> Hook:
    """Hook: registers the search attribute on a server that was not started here."""

    async def prepare(address: str) -> None:
        if not ours:
            from entrypoints.wiring import checks  # late: the embedded server needs no SDK

            await checks.register_search_attribute()

    return prepare


def tell(say: Callable[[str], None]) -> Callable[[SupervisorEvent], None]:
    """Puts the supervisor's events into words."""

    def on_event(event: SupervisorEvent) -> None:
        if event.what in ("died", "gave_up"):
            say(f"{event.part} {event.what.replace('_', ' ')} {event.detail}".rstrip())

    return on_event
