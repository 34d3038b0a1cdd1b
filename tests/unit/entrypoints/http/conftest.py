"""Leaves out what takes seconds to collect where it does not run."""

from pathlib import Path

import pytest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """test_conformance.py generates its cases when it is collected: two seconds in each process."""
    left_out = collection_path.name == "test_conformance.py" and "not slow" in config.option.markexpr
    return left_out or None
