"""What runs under `opledger up` on this machine, for the commands that are used beside it."""

import json
import os
import secrets
from pathlib import Path

import msgspec

from entrypoints.settings import Settings


def of_running_stack(settings: Settings) -> Settings:
    """The settings, with the addresses of the embedded parts where these run and nothing else is set."""
    status = Path(settings.data_dir) / "run.json"
    if not status.exists():
        return settings
    try:
        running = json.loads(status.read_text())
        addresses = (running["temporal_address"], running["temporal_namespace"], running["database_url"])
    except (OSError, ValueError, KeyError, TypeError):
        return settings
    os.environ.setdefault("TEMPORAL_ADDRESS", addresses[0])
    os.environ.setdefault("TEMPORAL_NAMESPACE", addresses[1])
    callback_url = settings.callback_url or running.get("callback_url")
    no_key = f"doctor:{secrets.token_hex(32)}"  # the server is asked whether it would call; nothing ever verifies that
    return msgspec.structs.replace(
        settings,
        database_url=settings.database_url or addresses[2],
        callback_url=callback_url,
        callback_keys=settings.callback_keys or (no_key if callback_url else None),
    )
