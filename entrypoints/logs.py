"""Logs to standard error: one line an event, for people at a terminal, JSON elsewhere.

Both show messages and fields only: never bodies, never secrets, and no local variables in tracebacks.
"""

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final, Literal

from opentelemetry import trace

REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)
"""Id of the HTTP request that is being handled, in every line that is logged meanwhile."""
_NO_FIELDS: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "temporal_log"}
"""Attributes of a record that are not fields of its line. `temporal_log` repeats the record (LogForwardingConfig)."""
_COLOURS: Final = {"debug": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_PLAIN: Final = "\x1b[0m"


def configure_logs(style: Literal["auto", "console", "json"], level: str) -> None:
    """Sets up the root logger. `auto` is `console` where standard error is a terminal."""
    terminal = sys.stderr.isatty()
    handler = logging.StreamHandler()
    console = style == "console" or (style == "auto" and terminal)
    handler.setFormatter(ConsoleFormatter(coloured=terminal) if console else JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for verbose in ("httpx", "httpcore", "alembic"):
        logging.getLogger(verbose).setLevel(logging.WARNING)


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            **_fields(record),
            "timestamp": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, default=str)


class ConsoleFormatter(logging.Formatter):
    """Time, level, logger, message, fields; then the traceback."""

    def __init__(self, *, coloured: bool) -> None:
        super().__init__()
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        name = record.levelname.lower()
        colour = _COLOURS.get(name) if self._coloured else None
        level = f"{colour}{name:<8}{_PLAIN}" if colour else f"{name:<8}"
        words = [_time(record), level, f"[{record.name}]", record.getMessage()]
        words += [f"{name}={_quoted(value)}" for name, value in _fields(record).items()]
        traceback = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
        stack = f"\n{self.formatStack(record.stack_info)}" if record.stack_info else ""
        return " ".join(words) + traceback + stack


def _quoted(value: object) -> str:
    """Quotes a value with spaces or control characters, so that it does not look like other fields or lines."""
    text = str(value)
    return text if text.isprintable() and " " not in text else repr(text)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    """Returns the fields of a line: those passed as `extra`, and the ids of the request and the trace."""
    fields: dict[str, object] = {}
    if (request_id := REQUEST_ID.get()) is not None:
        fields["request_id"] = request_id
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        fields["trace_id"] = format(span.trace_id, "032x")
    extra = {name: value for name, value in record.__dict__.items() if name not in _NO_FIELDS}
    return fields | extra
