"""Reads the input of an execution from the first event of its history."""

from collections.abc import Sequence

from temporalio.api.common.v1 import Payload

from adapters.temporal.executions.history import RunHistory
from adapters.temporal.payloads.codec_errors import CodecUnavailable
from adapters.temporal.payloads.payloads import PayloadReader, UnreadablePayload, read_json
from application.ports.engine.executions import InputRead
from application.ports.engine.workflow_engine import PayloadsUnavailable
from domain.operation.start.arguments import Arguments, to_input


async def read_input(history: RunHistory, reader: PayloadReader, arguments: Arguments, max_bytes: int) -> InputRead:
    """See the engine port. `history` is that of the chain's first run. Raises EngineUnavailable."""
    start = await history.start()
    if start is None:
        return InputRead(None, "the execution's history is gone")
    encoded = start.input.payloads
    too_large = InputRead(None, f"the input is larger than {max_bytes} bytes")
    if _size(encoded) > max_bytes:
        return too_large
    try:
        payloads = await reader.raising_on_outage().decoded(encoded) if encoded else []
        if _size(payloads) > max_bytes:  # a codec may compress
            return too_large
        values = [read_json(payload) for payload in payloads]
    except CodecUnavailable as outage:
        raise PayloadsUnavailable(f"the payload codec is unavailable: {outage}") from outage
    except UnreadablePayload as error:
        return InputRead(None, f"the input could not be read: {error}")
    value, missing = to_input([decoded.value for decoded in values], arguments)
    notes = [note for note in (missing, *(decoded.altered for decoded in values)) if note is not None]
    return InputRead(value, "; ".join(notes) or None)


def _size(payloads: Sequence[Payload]) -> int:
    return sum(len(payload.data) for payload in payloads)
