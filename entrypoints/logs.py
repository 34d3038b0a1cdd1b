"""Logs to standard error: one line an event, for people at a terminal, JSON elsewhere."""

import logging
import sys
from typing import Literal

import structlog
from opentelemetry import trace


def configure_logs(style: Literal["auto", "console", "json"], level: str) -> None:
    """Route the standard library's logging through structlog. Messages and fields only: never bodies, never secrets,
    and so no local variables in tracebacks."""
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer()
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _trace_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    final = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    if not console:
        final.insert(0, structlog.processors.format_exc_info)
    handler = logging.StreamHandler()
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=final))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def _trace_id(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """The trace that what is logged belongs to, if there is one."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = format(span.trace_id, "032x")
    return event
