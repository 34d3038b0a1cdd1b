"""Log lines: their fields, and that tracebacks show no local variables."""

import json
import logging
import warnings
from collections.abc import Iterator
from datetime import datetime

import pytest

from entrypoints.http.server.tracing import in_trace_of
from entrypoints.logs import REQUEST_ID, configure_logs


@pytest.fixture
def root_logger() -> Iterator[None]:
    """The root logger as it was before."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(capture=False)
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
def test_a_json_line_has_time_level_logger_message_and_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """And whatever the caller passes as `extra`, whether JSON has it or not."""
    configure_logs("json", "info")
    token = REQUEST_ID.set("r1")
    logging.getLogger("test").warning("%d of %d", 1, 2, extra={"route": "/x", "other": {3}})
    REQUEST_ID.reset(token)
    line = json.loads(capsys.readouterr().err)
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo is not None
    assert line == {
        "level": "warning",
        "logger": "test",
        "event": "1 of 2",
        "request_id": "r1",
        "route": "/x",
        "other": "{3}",
    }


@pytest.mark.usefixtures("root_logger")
def test_a_console_line_has_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Without colours where standard error is no terminal."""
    configure_logs("console", "info")
    logging.getLogger("test").warning("broken", extra={"route": "/x"})
    logging.getLogger("test").debug("not shown")
    time, rest = capsys.readouterr().err.split(" ", 1)
    assert datetime.fromisoformat(time)
    assert rest == "warning  [test] broken route=/x\n"


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


@pytest.mark.usefixtures("root_logger")
def test_fields_cannot_forge_a_line_or_its_time(capsys: pytest.CaptureFixture[str]) -> None:
    """A value with a newline is quoted, and the line's own fields win."""
    configure_logs("console", "info")
    logging.getLogger("test").warning("it", extra={"v": "a\nb"})
    assert capsys.readouterr().err.endswith("it v='a\\nb'\n")
    configure_logs("json", "info")
    logging.getLogger("test").warning("it", extra={"timestamp": "never", "level": "none"}, stack_info=True)
    line = json.loads(capsys.readouterr().err)
    assert (line["level"], line["timestamp"] == "never") == ("warning", False)
    assert line["stack"].startswith("Stack")


@pytest.mark.usefixtures("root_logger")
def test_warnings_of_python_are_log_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Libraries warn about what operators should see."""
    configure_logs("json", "info")
    warnings.warn("it is deprecated", DeprecationWarning, stacklevel=1)
    line = json.loads(capsys.readouterr().err)
    assert (line["logger"], line["level"]) == ("py.warnings", "warning")
    assert "it is deprecated" in line["event"]
