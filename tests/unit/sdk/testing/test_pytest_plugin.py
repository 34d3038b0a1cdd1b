"""The plugin in test suites of users: what passes, and what they read when a test fails."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from opledger._testing import names
from opledger._testing import open as opening
from opledger._testing.names import PACKAGES
from tests.unit.sdk.testing.conftest import OPERATIONS

pytest_plugins = ("pytester",)
OTHERS = ("schemathesis", "hypothesispytest", "xdist", "timeout", "faker")
"""Plugins that the tests within the test do not need."""
PASSING = """
import asyncio
import pytest
import opledger

def deploy(client, machine):
    return client.result(client.submit("deploy", {"machine": machine}).id, timeout=10)

def test_code_of_the_team(ledger, assert_history):
    ledger.always_complete("deploy", {"done": True})
    assert deploy(ledger.client(), "m1") == {"done": True}
    (operation,) = ledger.client().list()
    assert_history(operation, ["ACCEPTED", "RUNNING", "COMPLETED"])

@pytest.mark.asyncio
async def test_asyncio(ledger):
    operation = await ledger.async_client().submit("deploy", {"machine": "m1"})
    ledger.fail(operation, "full")
    with pytest.raises(opledger.WorkflowFailed):
        await ledger.async_client().result(operation.id)

@pytest.mark.anyio
async def test_anyio(ledger, anyio_backend_name):
    ledger.always_complete("deploy")
    operation = await ledger.async_client().submit("deploy", {"machine": "m1"})
    assert (await ledger.async_client().wait(operation.id)).done

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
FAILING = """
def test_history(ledger, assert_history):
    operation = ledger.client().submit("deploy", {"machine": "m1"})
    ledger.fail(operation, "no such machine")
    assert_history(operation, ["ACCEPTED", "RUNNING", "COMPLETED"])

def test_control(ledger):
    operation = ledger.client().submit("deploy", {"machine": "m1"})
    ledger.complete(operation)
    ledger.terminate(operation)
"""
DIFFERENCE = """\
E       AssertionError: history of operation ID (deploy): expected (-), recorded (+)
E           ACCEPTED   CLIENT: accepted
E           RUNNING    WORKFLOW: the workflow reports that it has started
E         - COMPLETED
E         + FAILED     CALLBACK: the execution closed: FAILED
E       error: WORKFLOW_FAILED: no such machine
"""
SANDBOXED = """
from temporalio import workflow
from temporalio.worker import Replayer
import opledger

@workflow.defn
class Tracked:
    @workflow.run
    @opledger.track_operation_status
    async def run(self) -> None:
        pass

def test_pytest_of_the_sandbox():
    runner = Replayer(workflows=[Tracked]).config()["workflow_runner"]
    assert "_pytest" in runner.restrictions.passthrough_modules
"""
LIGHT = """
import sys, pytest
code = pytest.main(["-q", "-p", "opledger._testing.pytest_plugin", "test_plain.py"])
heavy = {"httpx", "msgspec", "temporalio", "litestar", "opledger.testing", "asyncio"}
print("heavy:", *sorted(heavy & set(sys.modules)))
sys.exit(code)
"""


def run(pytester: pytest.Pytester, code: str, *arguments: str) -> pytest.RunResult:
    """Runs the tests in this process, beside no operations.toml but the one of the kit's own tests."""
    pytester.makepyfile(code)
    without = [word for name in OTHERS for word in ("-p", f"no:{name}")]
    without += ["-W", "ignore::pytest.PytestDeprecationWarning"]
    return pytester.runpytest_inprocess(*without, *arguments)


@pytest.fixture
def declared(pytester: pytest.Pytester) -> Path:
    """operations.toml beside the tests."""
    path = pytester.path / "operations.toml"
    path.write_text(OPERATIONS)
    return path


def test_workflows_in_the_sandbox_do_not_load_pytest_again(pytester: pytest.Pytester) -> None:
    """They would in each run, because pytest rewrites the package."""
    pytester.makepyfile(SANDBOXED)
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_suites_with_and_without_asyncio_pass(pytester: pytest.Pytester, declared: Path, mode: str) -> None:
    """The fixtures are synchronous: no setting of pytest-asyncio matters to them, and anyio works too."""
    result = run(pytester, PASSING, "-o", f"asyncio_mode={mode}", "-o", "asyncio_default_fixture_loop_scope=function")
    result.assert_outcomes(passed=3)


def test_failing_assertion_shows_the_test_and_the_difference(pytester: pytest.Pytester, declared: Path) -> None:
    """No line of the kit's own code."""
    result = run(pytester, FAILING, "-k", "history")
    result.assert_outcomes(failed=1)
    shown = result.stdout.lines
    place = shown.index('>       assert_history(operation, ["ACCEPTED", "RUNNING", "COMPLETED"])')
    assert re.sub(r"[0-9a-f-]{36}", "ID", "\n".join(shown[place + 1 : place + 8])) == DIFFERENCE
    raised = [line for line in shown if line.endswith(": AssertionError")]
    assert raised == ["test_failing_assertion_shows_the_test_and_the_difference.py:4: AssertionError"]


def test_impossible_event_is_an_error_of_the_test(pytester: pytest.Pytester, declared: Path) -> None:
    result = run(pytester, FAILING, "-k", "control")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * ValueError: the execution is already COMPLETED"])


def test_missing_operations_file_is_named(pytester: pytest.Pytester) -> None:
    """In one line, without a traceback."""
    result = run(pytester, "def test_one(ledger): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"ledger: {pytester.path}/operations.toml cannot be read: *"])
    result.stdout.no_fnmatch_line("*During handling*")


def test_fixture_can_name_another_file(pytester: pytest.Pytester, ledger_operations: Path) -> None:
    pytester.makeconftest(
        f"import pathlib, pytest\n@pytest.fixture(scope='session')\n"
        f"def ledger_operations(): return pathlib.Path({str(ledger_operations)!r})"
    )
    run(pytester, "def test_one(ledger): ledger.client().submit('release', {'version': 1})").assert_outcomes(passed=1)


def test_missing_service_is_named(pytester: pytest.Pytester, declared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `opledger` is installed without the extra."""
    monkeypatch.setattr(opening, "entry_points", lambda **_: ())
    result = run(pytester, "def test_one(ledger): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["ledger: the ledger in memory needs the application of opledger: pip install 'opledger[[]testing[]]'"]
    )


def test_package_with_a_name_of_the_service_is_named(pytester: pytest.Pytester, declared: Path) -> None:
    """A test folder that pytest makes the package `domain`, and a module of the team. In an interpreter of its own."""
    (pytester.path / "domain").mkdir()
    (pytester.path / "domain/__init__.py").touch()
    (pytester.path / "domain/test_one.py").write_text("def test_one(ledger): pass\n")
    (pytester.path / "adapters.py").touch()
    without = [word for name in OTHERS for word in ("-p", f"no:{name}")]
    result = pytester.runpytest_subprocess(*without, "domain/test_one.py")
    result.assert_outcomes(errors=1)
    names = "domain, application, adapters, entrypoints, migrations"
    found = f"domain is {pytester.path}/domain, adapters is {pytester.path}/adapters.py"
    result.stdout.fnmatch_lines(
        [f"ledger: the ledger in memory needs the packages {names} of opledger-service, but {found}. Move yours *"]
    )


def test_packages_of_the_service_are_those_of_its_wheel() -> None:
    """The SDK has their names as texts."""
    project = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())
    assert [*PACKAGES] == project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_distribution_that_has_overwritten_the_service_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are in one folder, so that only the failing import tells."""
    installed = {"domain": ["opledger-service", "shop"], "adapters": ["opledger-service"]}
    monkeypatch.setattr(names, "packages_distributions", lambda: installed)
    monkeypatch.setattr(EntryPoint, "load", _fails)
    with pytest.raises(ImportError, match=r"no module. Several .* same names: domain by opledger-service and shop"):
        opening.open_ledger("operations.toml")


def _fails(_: EntryPoint) -> None:
    raise ImportError("no module")


def test_plugin_costs_nothing_where_no_test_uses_it(tmp_path: Path) -> None:
    """It is loaded in every test suite beside which `opledger` is installed."""
    (tmp_path / "test_plain.py").write_text("def test_one(): pass\n")
    result = subprocess.run(
        [sys.executable, "-c", LIGHT],
        cwd=tmp_path,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1].strip() == "heavy:"
