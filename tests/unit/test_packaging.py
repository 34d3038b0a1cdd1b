"""What the two distributions say of themselves."""

import inspect
import sys
import tomllib
from importlib.metadata import metadata
from pathlib import Path
from types import ModuleType

import pytest
from temporalio import workflow

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
    assert f"opledger=={sdk['version']}" in service["dependencies"]  # type: ignore[operator]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_metadata_is_complete(name: str) -> None:
    """Authors, licence, readme, links, and the classifier of typed packages, for which each package has the marker."""
    built = metadata(name)
    assert built["Author"] == "The opledger developers"
    assert built["License-Expression"] == "MIT"
    assert str(built.json["description"]).startswith("# opledger")
    assert built.get_all("Project-URL")
    assert "Typing :: Typed" in (built.get_all("Classifier") or [])
    wheel = tomllib.loads((DISTRIBUTIONS[name] / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    for package in wheel["wheel"]["packages"]:
        assert (DISTRIBUTIONS[name] / package / "py.typed").is_file()


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
