"""A payload codec that encrypts, as a team's workers use it: AES-GCM, in the form of Temporal's samples."""

import os
from collections.abc import Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec

ENCRYPTED = b"binary/encrypted"
KEY = bytes(range(32))


class AesCodec(PayloadCodec):
    """Encrypts every payload whole. Leaves payloads that are not encrypted as they are."""

    def __init__(self, key: bytes = KEY) -> None:
        self._cipher = AESGCM(key)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return self.encrypt(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return self.decrypt(payloads)

    def encrypt(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [self._encrypted(payload) for payload in payloads]

    def decrypt(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Raises cryptography's InvalidTag: another key."""
        return [self._decrypted(payload) for payload in payloads]

    def _encrypted(self, payload: Payload) -> Payload:
        nonce = os.urandom(12)
        data = nonce + self._cipher.encrypt(nonce, payload.SerializeToString(), None)
        return Payload(metadata={"encoding": ENCRYPTED}, data=data)

    def _decrypted(self, payload: Payload) -> Payload:
        if payload.metadata.get("encoding") != ENCRYPTED:
            return payload
        return Payload.FromString(self._cipher.decrypt(payload.data[:12], payload.data[12:], None))


class StrictCodec(AesCodec):
    """Refuses payloads that are not encrypted."""

    def decrypt(self, payloads: Sequence[Payload]) -> list[Payload]:
        if any(payload.metadata.get("encoding") != ENCRYPTED for payload in payloads):
            raise ValueError("not encrypted")
        return super().decrypt(payloads)


DATA_CONVERTER = DataConverter(
    payload_codec=AesCodec(), failure_converter_class=DefaultFailureConverterWithEncodedAttributes
)
"""What `OPLEDGER_DATA_CONVERTER=tests.support.temporal.aes_codec:DATA_CONVERTER` names."""
