"""W3C Trace Context (https://www.w3.org/TR/trace-context/): from request headers into operations.

An invalid trace is ignored. If the process is instrumented with OpenTelemetry, the operation carries the server's span.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Final

from opentelemetry import context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_FIELDS: Final = frozenset({b"traceparent", b"tracestate"})
_MAX_TRACESTATE: Final = 512
"""Characters that the specification requires to propagate. A longer state is dropped, not cut."""
_PROPAGATOR: Final = TraceContextTextMapPropagator()


@contextlib.contextmanager
def in_trace_of(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[None]:
    """Runs the block in the trace of the headers, if they have one."""
    given = [(name.lower(), value.decode("latin-1")) for name, value in headers if name.lower() in _FIELDS]
    parents = [value for name, value in given if name == b"traceparent"]
    if len(parents) != 1:
        yield
        return
    state = ",".join(value for name, value in given if name == b"tracestate")
    token = context.attach(_PROPAGATOR.extract({"traceparent": parents[0], "tracestate": state}))
    try:
        yield
    finally:
        context.detach(token)


def trace_to_carry() -> dict[str, str]:
    """The current trace for an operation: `traceparent`, and `tracestate` if any. Empty: no trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    if len(carrier.get("tracestate", "")) > _MAX_TRACESTATE:
        del carrier["tracestate"]
    return carrier
