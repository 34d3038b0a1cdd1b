"""Logs never show what a traceback's local variables hold."""

import logging
from collections.abc import Iterator

import pytest

from entrypoints.logs import configure_logs


@pytest.fixture
def root_logger() -> Iterator[None]:
    """The root logger as it was before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("root_logger")
@pytest.mark.parametrize("style", ["console", "json"])
def test_a_traceback_shows_no_values(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Passwords are in connection strings, customers' secrets in inputs: both are local variables somewhere."""
    configure_logs(style, "info")  # type: ignore[arg-type]
    password = "TOPSEKRET"
    try:
        raise RuntimeError("it broke")
    except RuntimeError:
        logging.getLogger("test").exception("something failed")
    shown = capsys.readouterr().err
    assert "it broke" in shown
    assert password not in shown.replace('password = "TOPSEKRET"', "")
