"""The two distributions: their versions, licences and readmes. tests/integration/distributions has their wheels."""

import inspect
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client

from opledger import OpledgerPlugin
from tests.support.pages import block

ROOT = Path(__file__).resolve().parents[2]
DISTRIBUTIONS = {"opledger-service": ROOT, "opledger": ROOT / "sdk"}


def declared(name: str) -> dict[str, object]:
    """The `project` table of the distribution."""
    project: dict[str, object] = tomllib.loads((DISTRIBUTIONS[name] / "pyproject.toml").read_text())["project"]
    return project


def test_service_pins_the_sdk_of_its_own_release() -> None:
    """Both are released together, under one version."""
    service, sdk = declared("opledger-service"), declared("opledger")
    assert service["version"] == sdk["version"]
    assert f"opledger[cli,worker]=={sdk['version']}" in service["dependencies"]  # type: ignore[operator]
    extras: Any = sdk["optional-dependencies"]
    assert f"opledger-service=={sdk['version']}" in extras["testing"]


def test_licences_are_the_same() -> None:
    """The SDK's is a copy, because a distribution cannot take files from outside of its folder."""
    assert (ROOT / "sdk/LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_example_of_the_sdk_defines_a_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code in its readme, as it stands there."""
    module = ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", module)
    exec(block("sdk/README.md", "move_data.py"), module.__dict__)
    assert workflow._Definition.from_class(module.MoveData) is not None
    assert list(inspect.signature(module.MoveData.run).parameters) == ["self", "rows"]


async def test_line_of_the_sdk_connects_with_the_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line in its readme, as it stands there."""
    given: list[object] = []

    async def connect(address: str, *, plugins: list[object]) -> None:
        given.extend([address, *plugins])

    monkeypatch.setattr(Client, "connect", connect)
    names = {"Client": Client, "OpledgerPlugin": OpledgerPlugin, "address": "temporal:7233", "key": "opl_key"}
    line = block("sdk/README.md", "plugin")
    exec(f"async def run():\n    {line}", names)
    await names["run"]()  # type: ignore[operator]
    assert given[0] == "temporal:7233"
    assert isinstance(given[1], OpledgerPlugin)


def test_example_of_the_client_is_python() -> None:
    """The code in its readme; docs/client.md runs the same calls."""
    compile(block("sdk/README.md", "client"), "README.md", "exec")
