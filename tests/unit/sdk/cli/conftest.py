"""The command line against a ledger on a socket."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from entrypoints.http.server.slow_readers import HttpServerProtocol
from opledger._cli.main import main
from tests.support.http.api import Api
from tests.support.http.served import served


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Coroutine[Any, Any, Ended]]


@pytest.fixture
def api() -> Api:
    """An application on memory adapters."""
    return Api()


@pytest.fixture
async def url(api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[str]:
    """Its address, which the commands find in the environment; without a user's profiles."""
    async with served(api.app, HttpServerProtocol) as port:
        monkeypatch.setenv("OPLEDGER_URL", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("OPLEDGER_PROFILES", str(tmp_path / "profiles.json"))
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a thread, as the program does."""

    async def run(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["opledger", *words])

        def program() -> int:
            with pytest.raises(SystemExit) as ended:
                main()
            return int(ended.value.code or 0)

        capsys.readouterr()
        code = await asyncio.to_thread(program)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    return run
