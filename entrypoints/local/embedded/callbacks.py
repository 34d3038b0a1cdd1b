"""Completion callbacks from the embedded Temporal to our own API.

Temporal keeps the callbacks of open executions over restarts, with the URL and the token that they were started with.
So the key is made once and kept in the data folder. Where the API's port differs between runs, the callbacks of what
was started before are lost: they go to a port without a listener, and are never delivered. The ledger's own questions,
follow-up, reconciliation and verification, find those closes.
"""

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from domain.access.callback_token import CallbackKeys
from domain.errors import StartupError
from entrypoints.settings.callback_addresses import ALLOWED_ADDRESSES, allowed_addresses

RATE = "history.outboundQueue.hostScheduler.maxTaskRPS=2000"
"""Callbacks a second to one destination. The server's default of 100 is less than one machine's workflows can end."""
URL, KEYS = "OPLEDGER_CALLBACK_URL", "OPLEDGER_CALLBACK_KEYS"


@dataclass(frozen=True, repr=False)
class Callbacks:
    """The URL that Temporal calls, and the keys of the tokens."""

    url: str
    keys: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the API and the worker."""
        return {URL: self.url, KEYS: self.keys}

    def dynamic_config(self, given: Sequence[str] = ()) -> tuple[str, ...]:
        """Returns the server's dynamic configuration: the given items, and defaults for all other keys."""
        keys = {value.partition("=")[0] for value in given}
        ours = (f"{ALLOWED_ADDRESSES}={allowed_addresses(self.url)}", RATE)
        return (*given, *(value for value in ours if value.partition("=")[0] not in keys))


def kept_keys(path: Path) -> str:
    """Returns the keys in the file. Creates a missing file atomically, for this user only. Raises StartupError."""
    try:
        if not path.exists():
            _write(path, f"embedded:{secrets.token_hex(32)}")
        keys = path.read_text(encoding="ascii").strip()
        CallbackKeys.parse(keys)
    except ValueError as error:
        raise StartupError(f"{path}: {error}; delete it, and a new one is made") from None
    except OSError as error:
        raise StartupError(f"{path} cannot be used: {error.strerror}") from None
    return keys


def _write(path: Path, text: str) -> None:
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)
