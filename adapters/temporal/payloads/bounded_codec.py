"""A payload codec that bounds another one in time, and tells an outage from a payload that it cannot decode."""

import asyncio
from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec, SerializationContext, WithSerializationContext

from adapters.temporal.payloads.codec_errors import is_outage
from domain.json_value import clean_text

TIMEOUT = 5.0
"""Seconds that one call may take."""
MAX_MESSAGE_CHARS = 300


class BoundedCodec(PayloadCodec, WithSerializationContext):
    """Raises errors that pass: the SDK and the ledger retry. Returns a payload that the codec refuses with an encoding
    that gives the reason, because the SDK retries every error of a codec, also one that never passes."""

    def __init__(self, inner: PayloadCodec) -> None:
        self._inner = inner

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """As the codec does. Raises what it raises, and TimeoutError."""
        async with asyncio.timeout(TIMEOUT):
            return await self._inner.encode(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """As the codec does. Raises what passes, TimeoutError included."""
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self._inner.decode(payloads)
        except Exception as error:
            if is_outage(error):
                raise
            words = clean_text(f"undecodable ({type(error).__name__}: {error})", MAX_MESSAGE_CHARS)
            return [Payload(metadata={"encoding": words.encode()}) for _ in payloads]

    def with_context(self, context: SerializationContext) -> "BoundedCodec":
        """The same around a codec that derives its keys from the context."""
        inner = self._inner
        return BoundedCodec(inner.with_context(context)) if isinstance(inner, WithSerializationContext) else self
