"""The remote codec has limits for time, size and retries. An outage and a refused payload are different errors."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec, WorkflowSerializationContext

from adapters.temporal.payloads import bounded_codec, remote_codec
from adapters.temporal.payloads.bounded_codec import BoundedCodec
from adapters.temporal.payloads.codec_errors import CodecUnavailable
from adapters.temporal.payloads.remote_codec import ATTEMPTS, PayloadRefused, RemoteCodec
from tests.support.ports import free_port
from tests.support.temporal.aes_codec import ENCRYPTED, AesCodec
from tests.support.temporal.codec_server import CodecServer, codec_server

SECRET = "Bearer not-for-logs-7f3a"
PAYLOAD = Payload(metadata={"encoding": b"json/plain"}, data=b'{"password": "swordfish"}')


@pytest.fixture
def server() -> Iterator[CodecServer]:
    with codec_server() as server:
        yield server


@pytest.fixture
async def codec(server: CodecServer) -> AsyncIterator[RemoteCodec]:
    codec = RemoteCodec(server.url + "/", "orders", SECRET)
    yield codec
    await codec.close()


async def test_payloads_are_encoded_and_decoded(server: CodecServer, codec: RemoteCodec) -> None:
    """By the endpoint, which gets the namespace and the authorization."""
    encoded = await codec.encode([PAYLOAD, PAYLOAD])
    assert [one.metadata["encoding"] for one in encoded] == [ENCRYPTED, ENCRYPTED]
    assert await codec.decode(encoded) == [PAYLOAD, PAYLOAD]
    assert [path for path, _ in server.requests] == ["/encode", "/decode"]
    for _, headers in server.requests:
        assert headers["authorization"] == SECRET
        assert headers["x-namespace"] == "orders"
        assert headers["content-type"] == "application/json"


async def test_no_payload_sends_no_request(server: CodecServer, codec: RemoteCodec) -> None:
    assert await codec.decode([]) == []
    assert server.requests == []


async def test_failed_attempt_is_retried(server: CodecServer, codec: RemoteCodec) -> None:
    """So that a restart of the endpoint is not an outage."""
    server.statuses = [503] * (ATTEMPTS - 1)
    assert len(await codec.encode([PAYLOAD])) == 1
    assert len(server.requests) == ATTEMPTS


@pytest.mark.parametrize("status", [302, 401, 403, 404, 429, 500, 503])
async def test_error_of_the_endpoint_is_an_outage(server: CodecServer, codec: RemoteCodec, status: int) -> None:
    """An expired credential says nothing about the payload: it can be decoded after the repair."""
    server.statuses = [status] * ATTEMPTS
    with pytest.raises(CodecUnavailable, match=f"encode: the codec endpoint answers {status}"):
        await codec.encode([PAYLOAD])
    assert len(server.requests) == ATTEMPTS


@pytest.mark.parametrize("status", [400, 413, 415, 422])
async def test_refusal_of_the_payload_is_final(server: CodecServer, codec: RemoteCodec, status: int) -> None:
    """The request is not retried."""
    server.statuses = [status]
    with pytest.raises(PayloadRefused, match=f"decode: the codec endpoint answers {status}"):
        await codec.decode([PAYLOAD])
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{broken", "is not Temporal's Payloads"),
        (b"[1]", "is not Temporal's Payloads"),
        (b'{"payloads": 1}', "is not Temporal's Payloads"),
        (b'{"payloads": [{"metadata": 1}]}', "is not Temporal's Payloads"),
        (b"[" * 100_000, "is not Temporal's Payloads"),
        (b'{"payloads": [{}, {}]}', "answers with 2 payloads for 1"),
        (b"{}", "answers with 0 payloads for 1"),
    ],
)
async def test_invalid_response_is_an_outage(server: CodecServer, codec: RemoteCodec, body: bytes, words: str) -> None:
    """For example, a proxy's error page."""
    server.body = body
    with pytest.raises(CodecUnavailable, match=words):
        await codec.decode([PAYLOAD])


async def test_large_response_is_not_read(
    server: CodecServer, codec: RemoteCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_codec, "MAX_BYTES", 1000)
    server.body = b" " * 1001
    with pytest.raises(PayloadRefused, match="more than 1000 bytes"):
        await codec.decode([PAYLOAD])


async def test_silent_endpoint_is_an_outage(
    server: CodecServer, codec: RemoteCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All attempts together have one timeout."""
    monkeypatch.setattr(remote_codec, "TOTAL_TIMEOUT", 0.2)
    server.silent = threading.Event()
    try:
        with pytest.raises(CodecUnavailable, match=r"decode: no answer within 0\.2 s"):
            await codec.decode([PAYLOAD])
    finally:
        server.silent.set()


async def test_absent_endpoint_is_an_outage() -> None:
    codec = RemoteCodec(f"http://127.0.0.1:{free_port()}", "default")
    with pytest.raises(CodecUnavailable, match="encode: the codec endpoint fails with ConnectError"):
        await codec.encode([PAYLOAD])
    await codec.close()


async def test_secrets_are_not_logged(
    server: CodecServer, codec: RemoteCodec, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the authorization nor the payloads, for any error. The beginning and the end of an outage are logged
    once."""
    errors = []
    with caplog.at_level(logging.DEBUG):
        for status in (200, 503, 401, 200, 400):
            server.statuses = [status] * ATTEMPTS
            try:
                await codec.encode([PAYLOAD])
            except (CodecUnavailable, PayloadRefused) as error:
                errors.append(repr(error))
    assert len(errors) == 3
    for secret in (SECRET, "not-for-logs", "swordfish", "the codec server's own words"):
        assert secret not in caplog.text + "".join(errors)
    ours = [record.getMessage() for record in caplog.records if record.name == remote_codec.__name__]
    assert ours == ["the codec endpoint is unavailable; payloads wait for it", "the codec endpoint answers again"]


async def test_refused_payload_raises_no_error_in_the_sdk(server: CodecServer, codec: RemoteCodec) -> None:
    """The SDK would retry an error. The encoding of the returned payload contains the reason instead."""
    [encrypted] = AesCodec(b"k" * 32).encrypt([PAYLOAD])
    [passed] = await BoundedCodec(codec).decode([encrypted])
    words = "undecodable (PayloadRefused: decode: the codec endpoint answers 400)"
    assert passed == Payload(metadata={"encoding": words.encode()})


async def test_outage_raises_an_error_in_the_sdk(server: CodecServer, codec: RemoteCodec) -> None:
    """The SDK retries it."""
    server.statuses = [503] * ATTEMPTS
    with pytest.raises(CodecUnavailable):
        await BoundedCodec(codec).decode([PAYLOAD])


class Odd(PayloadCodec):
    """A custom codec: `encode` hangs, and `decode` raises an error of its own."""

    async def encode(self, payloads: object) -> list[Payload]:
        return await asyncio.Future()

    async def decode(self, payloads: object) -> list[Payload]:
        raise LookupError("no key 7")


async def test_custom_codec_has_a_timeout_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_codec, "TIMEOUT", 0.1)
    codec = BoundedCodec(Odd()).with_context(WorkflowSerializationContext("default", "w"))
    with pytest.raises(TimeoutError):
        await codec.encode([PAYLOAD])
    [passed] = await codec.decode([PAYLOAD])
    assert passed.metadata["encoding"] == b"undecodable (LookupError: no key 7)"
