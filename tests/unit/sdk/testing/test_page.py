"""The first example of docs/testing.md, as it stands there."""

import pytest

from tests.support.pages import block

pytest_plugins = ("pytester",)
OPERATIONS = '[operations.deploy]\nworkflow = "Deploy"\ntask_queue = "deployers"\n'


def test_example_of_the_page_passes(pytester: pytest.Pytester) -> None:
    """In a project of its own."""
    (pytester.path / "operations.toml").write_text(OPERATIONS)
    pytester.makepyfile(block("docs/testing.md", "test_code.py"))
    options = ("asyncio_mode=auto", "asyncio_default_fixture_loop_scope=function")
    pytester.runpytest_inprocess(*(word for one in options for word in ("-o", one))).assert_outcomes(passed=3)
