"""Finds what `opledger up` runs on this machine, for the other commands."""

import os
import secrets
from pathlib import Path
from typing import Annotated

import msgspec

from domain.errors import StartupError
from entrypoints.files import exists, read
from entrypoints.settings.settings import Settings

_Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00]*$")]


class RunningStack(msgspec.Struct):
    """The fields of `run.json` that commands use."""

    database_url: _Text
    temporal_address: _Text
    temporal_namespace: _Text
    callback_url: _Text | None = None
    operations: _Text | None = None


def of_running_stack(settings: Settings) -> Settings:
    """The settings, with the addresses of the embedded parts where these run and nothing else is set. Raises
    StartupError: the folder belongs to another user, or `run.json` is broken. Where DATABASE_URL is set, the command
    is not about the embedded parts, and such a folder is passed over."""
    try:
        running = _running(Path(settings.data_dir) / "run.json")
    except StartupError as error:
        if settings.database_url:
            return settings
        raise StartupError(f"{error}; choose another folder with --data-dir, or set DATABASE_URL") from None
    if running is None:
        return settings
    os.environ.setdefault("TEMPORAL_ADDRESS", running.temporal_address)
    os.environ.setdefault("TEMPORAL_NAMESPACE", running.temporal_namespace)
    callback_url = settings.callback_url or running.callback_url
    no_key = f"doctor:{secrets.token_hex(32)}"  # the server is asked whether it would call; nothing ever verifies that
    return msgspec.structs.replace(
        settings,
        database_url=settings.database_url or running.database_url,
        operations=settings.operations or running.operations,
        callback_url=callback_url,
        callback_keys=settings.callback_keys or (no_key if callback_url else None),
    )


def _running(path: Path) -> RunningStack | None:
    if not exists(path):
        return None
    try:
        return msgspec.json.decode(read(path), type=RunningStack)
    except (ValueError, RecursionError) as error:
        raise StartupError(f"{path} is not what `opledger up` writes: {error}") from None
