"""Payloads to JSON values, through the client's data converter: decoded exactly, or not at all."""

import asyncio
import dataclasses
import json
from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.common import RawValue
from temporalio.converter import DataConverter, DefaultPayloadConverter, FailureConverter, PayloadConverter

from domain.errors import OpledgerError
from domain.json_value import MAX_DEPTH, JsonValue, clean_text, strict_json, too_deep

DECODE_TIMEOUT = 5.0
"""Seconds that a codec or an external store may take."""
MAX_WORDS = 500
_JSON = frozenset({b"json/plain", b"json/protobuf"})


class UnreadablePayload(OpledgerError):
    """The payload is not JSON."""


class PayloadReader:
    """Reads payloads as the given converter's codec and external storage give them."""

    def __init__(self, converter: DataConverter) -> None:
        self._raw = dataclasses.replace(
            converter, payload_converter_class=DefaultPayloadConverter, failure_converter_class=_NoConversion
        )

    async def result(self, payloads: Sequence[Payload]) -> JsonValue:
        """What a workflow returned; nothing at all is None. Raises UnreadablePayload."""
        if not payloads:
            return None
        if len(payloads) > 1:
            raise UnreadablePayload(f"the result is {len(payloads)} values, not one")
        decoded: list[RawValue]
        try:
            async with asyncio.timeout(DECODE_TIMEOUT):
                decoded = await self._raw.decode(payloads, [RawValue])
        except TimeoutError:
            raise UnreadablePayload(f"decoding took longer than {DECODE_TIMEOUT:g} s") from None
        except Exception as error:  # a codec is somebody else's code
            raise UnreadablePayload(_words(error)) from error
        return json_of(decoded[0].payload)

    async def decode_failure(self, failure: Failure) -> str | None:
        """Decode the payloads inside, in place. Returns why that did not work, if it did not."""
        try:
            async with asyncio.timeout(DECODE_TIMEOUT):
                await self._raw.decode_failure(failure)
        except TimeoutError:
            return f"decoding took longer than {DECODE_TIMEOUT:g} s"
        except Exception as error:  # a codec is somebody else's code
            return _words(error)
        return None


def json_of(payload: Payload) -> JsonValue:
    """The JSON value that a decoded payload holds, NaN and infinities as null. Raises UnreadablePayload."""
    encoding = payload.metadata.get("encoding", b"")
    if encoding == b"binary/null":
        return None
    if encoding not in _JSON:
        raise UnreadablePayload(f"its encoding is {encoding.decode(errors='replace') or 'not given'}, not JSON")
    try:
        value: JsonValue = json.loads(payload.data)
    except (ValueError, RecursionError) as error:
        raise UnreadablePayload(_words(error)) from error
    if too_deep(value):
        raise UnreadablePayload(f"it is nested more than {MAX_DEPTH} levels deep")
    return strict_json(value)


def _words(error: Exception) -> str:
    return clean_text(f"{type(error).__name__}: {error}", MAX_WORDS)


class _NoConversion(FailureConverter):
    """Leaves a failure as it is: only its payloads are wanted decoded."""

    def to_failure(self, exception: BaseException, payload_converter: PayloadConverter, failure: Failure) -> None:
        raise NotImplementedError

    def from_failure(self, failure: Failure, payload_converter: PayloadConverter) -> BaseException:
        return Exception()
