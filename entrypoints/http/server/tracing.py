"""W3C Trace Context of a request: taken from its headers, and what of it goes along with an operation.

https://www.w3.org/TR/trace-context/: a trace that cannot be read is none. Where the process is instrumented with
OpenTelemetry, what goes along is the server's own span.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Final

from opentelemetry import context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_FIELDS: Final = frozenset({b"traceparent", b"tracestate"})
_LONGEST_STATE: Final = 512
"""Characters that the specification asks everybody to pass on; a longer state is dropped, not cut."""
_PROPAGATOR: Final = TraceContextTextMapPropagator()


@contextlib.contextmanager
def in_trace_of(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[None]:
    """Everything inside belongs to the trace that the headers tell of, if they tell of one."""
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
    """What of the current trace goes along: `traceparent`, and `tracestate` where there is one; empty: no trace."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    if len(carrier.get("tracestate", "")) > _LONGEST_STATE:
        del carrier["tracestate"]
    return carrier
