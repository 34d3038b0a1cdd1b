"""Payloads to JSON values, through the client's data converter: decoded exactly, or not at all."""

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
"""Seconds that a codec or an external store may take."""
MAX_MESSAGE_CHARS = 500
_JSON = frozenset({b"json/plain", b"json/protobuf"})


class UnreadablePayload(OpledgerError):
    """The payload is not JSON."""


@dataclasses.dataclass(frozen=True, slots=True)
class Decoded:
    """A JSON value, and what of it JSON could not carry."""

    value: JsonValue
    altered: str | None = None
    """Which numbers are NaN or infinite; null in `value`."""


class PayloadReader:
    """Reads payloads as the given converter's codec and external storage give them."""

    def __init__(self, converter: DataConverter, *, raise_on_outage: bool = False) -> None:
        """`raise_on_outage`: raise CodecUnavailable during an outage, instead of UnreadablePayload."""
        self._raw = dataclasses.replace(
            converter, payload_converter_class=DefaultPayloadConverter, failure_converter_class=_NoConversion
        )
        self._raise_on_outage = raise_on_outage

    def raising_on_outage(self) -> "PayloadReader":
        """The same reader, which raises CodecUnavailable while the codec is unavailable."""
        return PayloadReader(self._raw, raise_on_outage=True)

    async def result(self, payloads: Sequence[Payload]) -> Decoded:
        """What a workflow returned; nothing at all is None. Raises UnreadablePayload, CodecUnavailable."""
        if not payloads:
            return Decoded(None)
        if len(payloads) > 1:
            raise UnreadablePayload(f"the result is {len(payloads)} values, not one")
        decoded: list[RawValue]
        try:
            async with asyncio.timeout(DECODE_TIMEOUT):
                decoded = await self._raw.decode(payloads, [RawValue])
        except Exception as error:  # a codec is another team's code
            raise UnreadablePayload(self._words(error)) from error
        return read_json(decoded[0].payload)

    async def decode_failure(self, failure: Failure) -> str | None:
        """Decode the payloads inside, in place. Returns why that did not work, if it did not. Raises
        CodecUnavailable."""
        try:
            async with asyncio.timeout(DECODE_TIMEOUT):
                await self._raw.decode_failure(failure)
        except Exception as error:  # a codec is another team's code
            return self._words(error)
        return None

    def _words(self, error: Exception) -> str:
        """What the codec's error says. Raises CodecUnavailable."""
        words = f"decoding took longer than {DECODE_TIMEOUT:g} s" if type(error) is TimeoutError else _words(error)
        if self._raise_on_outage and is_outage(error):
            raise CodecUnavailable(words) from error
        return words


def read_json(payload: Payload) -> Decoded:
    """The JSON value that a decoded payload holds. Raises UnreadablePayload."""
    encoding = payload.metadata.get("encoding", b"")
    if encoding == b"binary/null":
        return Decoded(None)
    if encoding not in _JSON:
        raise UnreadablePayload(f"its encoding is {encoding.decode(errors='replace') or 'not given'}, not JSON")
    try:
        value: JsonValue = json.loads(payload.data)
    except (ValueError, RecursionError) as error:
        raise UnreadablePayload(_words(error)) from error
    if too_deep(value):
        raise UnreadablePayload(f"it is nested more than {MAX_DEPTH} levels deep")
    altered = not_finite_note(value)
    return Decoded(value if altered is None else strict_json(value), altered)


def json_of(payload: Payload) -> JsonValue:
    """The JSON value that a decoded payload holds, NaN and infinities as null. Raises UnreadablePayload."""
    return read_json(payload).value


def _words(error: Exception) -> str:
    return clean_text(f"{type(error).__name__}: {error}", MAX_MESSAGE_CHARS)


class _NoConversion(FailureConverter):
    """Leaves a failure as it is: only its payloads are wanted decoded."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        raise NotImplementedError

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> BaseException:
        return Exception()
