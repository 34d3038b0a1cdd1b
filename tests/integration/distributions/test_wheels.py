"""The wheels of both distributions: what they hold, and what they bring into an empty environment."""

import importlib.metadata
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.distributions import FOLDERS, VERSIONS, Environment, Wheels, installed, interpreters

INTERPRETERS = interpreters()
CLIENT = {
    *("opledger", "httpx", "httpx-sse", "msgspec"),
    *("anyio", "certifi", "h11", "httpcore", "idna", "typing-extensions", "typing_extensions"),
}
HEAVY = {"temporalio", "litestar", "sqlalchemy", "click", "rich", "opledger-service", "pytest"}
PACKAGES = {
    "opledger": {"opledger"},
    "opledger-service": {"adapters", "application", "domain", "entrypoints", "migrations"},
}
MISSING = {
    "opledger.OpledgerPlugin": "opledger[worker]",
    "opledger.track_operation_status": "opledger[worker]",
    "opledger.testing.open_ledger('operations.toml')": "opledger[testing]",
    "opledger.testing.LedgerReports": "opledger[testing]",
}
SUITE = """
def test_one(ledger, assert_history):
    operation = ledger.client().submit("deploy")
    ledger.complete(operation)
    assert_history(operation, ["ACCEPTED", "RUNNING", "COMPLETED"])

def test_two(ledger_reports):
    assert len(ledger_reports.activities) == 1
"""
Install = Callable[..., Environment]


@pytest.fixture(params=INTERPRETERS)
def install(request: pytest.FixtureRequest, tmp_path: Path, wheels: Wheels) -> Install:
    """Installs into an empty environment, for each version of Python that this machine has."""
    return lambda *what: installed(tmp_path / "environment", INTERPRETERS[request.param], wheels, *what)


def test_machine_has_an_interpreter() -> None:
    """Or the tests below would not exist."""
    assert INTERPRETERS


@pytest.mark.parametrize("name", FOLDERS)
def test_wheel_is_complete(wheels: Wheels, name: str) -> None:
    """Licence, readme, links, versions of Python, types of each package; no tests."""
    described = wheels.metadata(name)
    assert described["Name"] == name
    assert described["Requires-Python"] == ">=3.11"
    assert described["Author"] == "The opledger developers"
    assert described["License-Expression"] == "MIT"
    assert wheels.text(name, "licenses/LICENSE").startswith("MIT License")
    assert described.get_payload().startswith("# opledger")  # type: ignore[union-attr]
    urls = {line.split(",")[0] for line in described.get_all("Project-URL", [])}
    assert urls == {"Repository", "Documentation", "Changelog", "Issues"}
    classifiers = described.get_all("Classifier", [])
    assert {f"Programming Language :: Python :: {version}" for version in VERSIONS} <= set(classifiers)
    assert "Typing :: Typed" in classifiers
    files = wheels.files(name)
    packages = {path.partition("/")[0] for path in files if path.endswith(".py")}
    assert {f"{package}/py.typed" for package in packages} <= set(files)
    assert packages == PACKAGES[name]


def test_service_ships_what_is_no_module(wheels: Wheels) -> None:
    """What its processes read."""
    assert {
        "entrypoints/cli/operations_template.toml",
        "entrypoints/local/operations.toml",
        "entrypoints/http/static/swagger-ui/swagger-ui-bundle.js",
        "entrypoints/http/static/swagger-ui/LICENSE",
        "entrypoints/ui/static/htmx/htmx.min.js",
    } <= set(wheels.files("opledger-service"))


@pytest.mark.slow
def test_client_alone_is_light_and_names_what_is_missing(install: Install) -> None:
    """`pip install opledger`."""
    made = install("opledger")
    assert {"opledger", "httpx", "msgspec"} <= made.distributions() <= CLIENT
    assert made.python("import opledger; print(opledger.Client('http://localhost').get.__name__)") == "get"
    for name, extra in MISSING.items():
        shown = made.python(f"import opledger, opledger.testing; {name}")
        assert shown.startswith("ImportError: "), shown
        assert shown.endswith(f"pip install '{extra}'"), shown
    command = made.run("opledger", "--help")
    assert command.returncode == 1
    assert command.stderr == "opledger: the command line needs an extra: pip install 'opledger[cli]'\n"


@pytest.mark.slow
def test_command_line_needs_no_service(install: Install) -> None:
    """`pip install 'opledger[cli]'`."""
    made = install("opledger[cli]")
    assert made.distributions() & HEAVY == {"click", "rich"}
    shown = made.run("opledger", "--help").stdout
    assert "Use a ledger:" in shown
    assert "Run a ledger:" not in shown
    version = importlib.metadata.version("opledger")
    assert made.run("opledger", "--version").stdout.strip().endswith(version)
    refused = made.run("opledger", "get", "--url", "http://127.0.0.1:9", "--timeout", "1s", "0" * 32)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1), refused.stderr


@pytest.mark.slow
def test_worker_needs_no_service(install: Install) -> None:
    """`pip install 'opledger[worker]'`."""
    made = install("opledger[worker]")
    assert made.distributions() & HEAVY == {"temporalio"}
    code = "from opledger import OpledgerPlugin, track_operation_status; print(type(OpledgerPlugin()).__name__)"
    assert made.python(code) == "OpledgerPlugin"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kit_brings_the_service_which_adds_its_commands(install: Install) -> None:
    """`pip install 'opledger[testing]'`: the tests of a team pass, and there is one program for both."""
    made = install("opledger[testing]")
    suite = made.folder / "suite"
    suite.mkdir()
    shown = made.run("opledger", "--help").stdout
    assert "Use a ledger:" in shown
    assert "Run a ledger:" in shown
    refused = made.run("opledger", "api", cwd=suite)
    assert refused.returncode == 1
    assert refused.stderr.startswith("opledger: no operation type is declared"), refused.stderr
    assert made.run("opledger", "init", cwd=suite).returncode == 0
    declared = suite / "operations.toml"
    assert "# " in declared.read_text()
    declared.write_text('[operations.deploy]\nworkflow = "Deploy"\ntask_queue = "deployers"\n')
    (suite / "test_team.py").write_text(SUITE)
    result = made.run("pytest", "-q", cwd=suite)
    assert "2 passed" in result.stdout, result.stdout + result.stderr
