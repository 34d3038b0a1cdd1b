"""The second example of docs/testing.md, as it stands there."""

import functools

import pytest
from temporalio.testing import WorkflowEnvironment

from tests.support.pages import block
from tests.workflow.kit.test_reports import TEST_SERVER

pytest_plugins = ("pytester",)


def test_example_of_the_page_passes(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a project of its own, and with the server of this environment: the example would fetch one."""
    start = functools.partial(WorkflowEnvironment.start_time_skipping, test_server_existing_path=str(TEST_SERVER))
    monkeypatch.setattr(WorkflowEnvironment, "start_time_skipping", start)
    pytester.makepyfile(block("docs/testing.md", "test_workflow.py"))
    options = ("asyncio_mode=auto", "asyncio_default_fixture_loop_scope=function")
    pytester.runpytest_inprocess(*(word for one in options for word in ("-o", one))).assert_outcomes(passed=1)
