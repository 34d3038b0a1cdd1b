"""Converts payloads to JSON values with the client's data converter: exactly, or with an error."""

import asyncio
import dataclasses
import json
from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.converter import DataConverter, DefaultPayloadConverter, FailureConverter, PayloadConverter

from adapters.temporal.payloads.codec_errors import CodecUnavailable, is_outage
from domain.errors import OpledgerError
from domain.json_value import MAX_DEPTH, JsonValue, clean_text, not_finite_note, strict_json, too_deep

DECODE_TIMEOUT = 5.0
"""Timeout in seconds for a codec or an external store."""
MAX_MESSAGE_CHARS = 500
_JSON = frozenset({b"json/plain", b"json/protobuf"})


class UnreadablePayload(OpledgerError):
    """The payload is not JSON."""


@dataclasses.dataclass(frozen=True, slots=True)
class Decoded:
    """A JSON value, and a message about the numbers that JSON does not have."""

    value: JsonValue
    altered: str | None = None
    """Lists the numbers that are NaN or infinite; they are null in `value`."""


class PayloadReader:
    """Reads payloads through the codec and the external storage of a data converter."""

    def __init__(self, converter: DataConverter, *, raise_on_outage: bool = False) -> None:
        """`raise_on_outage`: raise CodecUnavailable during an outage, instead of UnreadablePayload."""
        self._raw = dataclasses.replace(
            converter, payload_converter_class=DefaultPayloadConverter, failure_converter_class=_NoConversion
        )
        self._raise_on_outage = raise_on_outage

    def raising_on_outage(self) -> "PayloadReader":
        """A reader that raises CodecUnavailable while the codec is unavailable."""
        return PayloadReader(self._raw, raise_on_outage=True)

    async def result(self, payloads: Sequence[Payload]) -> Decoded:
        """Reads the result of a workflow; no payload is None. Raises UnreadablePayload, CodecUnavailable."""
        if not payloads:
            return Decoded(None)
        if len(payloads) > 1:
            raise UnreadablePayload(f"the result is {len(payloads)} values, not one")
        [payload] = await self.decoded(payloads)
        return read_json(payload)

    async def decoded(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decodes the payloads of one message. Raises UnreadablePayload, CodecUnavailable."""
        decoded: list[RawValue]
        try:
            async with asyncio.timeout(DECODE_TIMEOUT):
                decoded = await self._raw.decode(payloads, [RawValue] * len(payloads))
        except Exception as error:  # a codec is another team's code
            raise UnreadablePayload(self._error_message(error)) from error
        return [value.payload for value in decoded]

    async def decode_failure(self, failure: Failure) -> str | None:
        """Decodes the payloads of the failure in place. Returns the error message; None on success. Raises
        CodecUnavailable."""
        try:
            async with asyncio.timeout(DECODE_TIMEOUT):
                await self._raw.decode_failure(failure)
        except Exception as error:  # noqa: BLE001 -- a codec is another team's code
            return self._error_message(error)
        return None

    def _error_message(self, error: Exception) -> str:
        """Message of the codec's error. Raises CodecUnavailable."""
        timed_out = type(error) is TimeoutError
        message = f"decoding took longer than {DECODE_TIMEOUT:g} s" if timed_out else _error_message(error)
        if self._raise_on_outage and is_outage(error):
            raise CodecUnavailable(message) from error
        return message


def read_json(payload: Payload) -> Decoded:
    """The JSON value of a decoded payload. Raises UnreadablePayload."""
    encoding = payload.metadata.get("encoding", b"")
    if encoding == b"binary/null":
        return Decoded(None)
    if encoding not in _JSON:
        raise UnreadablePayload(f"its encoding is {encoding.decode(errors='replace') or 'not given'}, not JSON")
    try:
        value: JsonValue = json.loads(payload.data)
    except (ValueError, RecursionError) as error:
        raise UnreadablePayload(_error_message(error)) from error
    if too_deep(value):
        raise UnreadablePayload(f"it is nested more than {MAX_DEPTH} levels deep")
    altered = not_finite_note(value)
    return Decoded(value if altered is None else strict_json(value), altered)


def json_of(payload: Payload) -> JsonValue:
    """The JSON value of a decoded payload, with null for NaN and infinities. Raises UnreadablePayload."""
    return read_json(payload).value


def _error_message(error: Exception) -> str:
    return clean_text(f"{type(error).__name__}: {error}", MAX_MESSAGE_CHARS)


class _NoConversion(FailureConverter):
    """Leaves a failure unchanged, because only its payloads need decoding."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        raise NotImplementedError

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> BaseException:  # noqa: ARG002
        return Exception()
