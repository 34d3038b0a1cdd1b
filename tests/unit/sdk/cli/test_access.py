"""Credentials and addresses of the command line."""

import asyncio
from pathlib import Path

import pytest

from domain.access.scope import Scope
from opledger._cli.ledger import LOCAL
from tests.support.http.access import Guarded
from tests.unit.sdk.cli.conftest import Run


@pytest.fixture
def api() -> Guarded:
    """An application that asks for keys."""
    return Guarded()


async def key_file(api: Guarded, folder: Path, *scopes: Scope) -> str:
    """A file with a new key, as an editor writes it: with a line break at its end."""
    held = await api.key("a", *scopes)
    path = folder / "key"
    await asyncio.to_thread(path.write_text, held["Authorization"].removeprefix("Bearer ") + "\n")
    return str(path)


async def test_key_of_a_file_is_sent(run: Run, api: Guarded, tmp_path: Path) -> None:
    """Without it the ledger refuses the command."""
    key = await key_file(api, tmp_path)
    assert (await run("counts", "--api-key-file", key)).code == 0
    refused = await run("counts")
    assert (refused.code, refused.out) == (4, "")


async def test_missing_scope_is_exit_code_4(run: Run, api: Guarded, tmp_path: Path) -> None:
    """The error names the scope, and nothing is done."""
    full = await api.key("a")
    made = (await api.ask("POST", "/v1/operations", full, json={"type": "deploy"})).json()["id"]
    key = await key_file(api, tmp_path, Scope.READ)
    assert (await run("get", made, "--api-key-file", key)).code == 0
    refused = await run("cancel", made, "--api-key-file", key)
    assert (refused.code, refused.out) == (4, "")
    assert "cancel" in refused.err
    assert (await api.ask("GET", f"/v1/operations/{made}", full)).json()["cancel_requested"] is None


async def test_usual_local_address_is_the_default(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without settings, profiles and a running `opledger up`: its error names the address that was tried."""
    monkeypatch.delenv("OPLEDGER_URL")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("opledger._cli.ledger.LOCAL", LOCAL.replace("8080", "1"))
    away = await run("counts", "--timeout", "100ms")
    assert (LOCAL, away.code) == ("http://127.0.0.1:8080", 1)
    assert "http://127.0.0.1:1 is not available" in away.err
