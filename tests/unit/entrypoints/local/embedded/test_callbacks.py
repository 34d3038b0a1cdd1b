"""Callbacks of the embedded Temporal: the server's settings, the kept key."""

import json
from pathlib import Path

import pytest

from domain.access.callback_token import CallbackKeys
from domain.errors import StartupError
from entrypoints.local.embedded.callbacks import RATE, Callbacks, kept_keys
from entrypoints.settings.callback_addresses import allowed_addresses
from entrypoints.settings.loading import load_settings


def test_the_server_may_call_the_api_and_nothing_else() -> None:
    """Host and port of the URL, brackets included; without TLS only where the URL is without."""
    for url, pattern, insecure in [
        ("http://127.0.0.1:8080", "127.0.0.1:8080", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("https://ledger.example/base", "ledger.example", False),
    ]:
        assert json.loads(allowed_addresses(url)) == [{"Pattern": pattern, "AllowInsecure": insecure}]


def test_what_is_given_wins() -> None:
    """A server's setting given twice would be one too many."""
    callbacks = Callbacks("http://h:1", "k")
    address = 'callback.allowedAddresses=[{"Pattern":"h:1","AllowInsecure":true}]'
    assert callbacks.dynamic_config() == (address, RATE)
    assert callbacks.dynamic_config(["a=1", "callback.allowedAddresses=[]"]) == (
        "a=1",
        "callback.allowedAddresses=[]",
        RATE,
    )


def test_a_key_is_made_once(tmp_path: Path) -> None:
    """Temporal holds callbacks over restarts: the same key at every start, this user's alone, fit for the settings."""
    path = tmp_path / "callback.key"
    keys = kept_keys(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert kept_keys(path) == keys
    assert [entry.name for entry in tmp_path.iterdir()] == ["callback.key"]
    assert kept_keys(tmp_path / "another.key") != keys
    assert len(next(iter(CallbackKeys.parse(keys).secrets.values()))) == 64
    callbacks = Callbacks("http://h:1", keys)
    settings = load_settings({}, callbacks.environment, tmp_path)
    assert (settings.callback_url, settings.callback_keys) == ("http://h:1", keys)
    assert keys not in repr(callbacks)


def test_what_a_kill_left_behind_is_no_obstacle(tmp_path: Path) -> None:
    """Killed before the rename: the file is written anew."""
    (tmp_path / "callback.new").write_text("embed")
    CallbackKeys.parse(kept_keys(tmp_path / "callback.key"))


@pytest.mark.parametrize("content", [b"", b"embedded:short", b"\xff"])
def test_a_broken_key_is_an_error(content: bytes, tmp_path: Path) -> None:
    """With the file's name, and what to do."""
    path = tmp_path / "callback.key"
    path.write_bytes(content)
    with pytest.raises(StartupError, match=r"callback\.key: .*delete it"):
        kept_keys(path)
