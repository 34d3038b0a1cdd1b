"""Logs never show what a traceback's local variables hold."""

import json
import logging
from collections.abc import Iterator

import pytest

from entrypoints.http.server.tracing import in_trace_of
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


@pytest.mark.usefixtures("root_logger")
def test_a_line_names_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    """By which the logs of several services are brought together."""
    configure_logs("json", "info")
    with in_trace_of([(b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")]):
        logging.getLogger("test").info("inside")
    logging.getLogger("test").info("outside")
    inside, outside = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert inside["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert "trace_id" not in outside
