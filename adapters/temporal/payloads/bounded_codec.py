"""Payload codec that adds a timeout to another codec, and separates outages from undecodable payloads."""

import asyncio
from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec, SerializationContext, WithSerializationContext

from adapters.temporal.payloads.codec_errors import is_outage
from domain.json_value import clean_text

TIMEOUT = 5.0
"""Timeout in seconds for one call."""
MAX_MESSAGE_CHARS = 300


class BoundedCodec(PayloadCodec, WithSerializationContext):
    """Wraps a codec.

    An outage raises an error, and the SDK and the ledger retry. For a payload that the codec refuses, this returns a
    payload whose encoding contains the reason: the SDK would retry an error forever.
    """

    def __init__(self, inner: PayloadCodec) -> None:
        self._inner = inner

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encodes with the inner codec. Raises TimeoutError, and the errors of the codec."""
        async with asyncio.timeout(TIMEOUT):
            return await self._inner.encode(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decodes with the inner codec. Raises TimeoutError, and the codec's errors that are outages."""
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self._inner.decode(payloads)
        except Exception as error:
            if is_outage(error):
                raise
            reason = clean_text(f"undecodable ({type(error).__name__}: {error})", MAX_MESSAGE_CHARS)
            return [Payload(metadata={"encoding": reason.encode()}) for _ in payloads]

    def with_context(self, context: SerializationContext) -> "BoundedCodec":
        """Wraps the inner codec for this context, from which it may derive its keys."""
        inner = self._inner
        return BoundedCodec(inner.with_context(context)) if isinstance(inner, WithSerializationContext) else self
