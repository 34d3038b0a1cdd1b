"""Client of Temporal's remote codec protocol: an HTTP service that encodes and decodes payloads."""

import asyncio
import json
import logging
from collections.abc import Sequence

import httpx
from google.protobuf.json_format import MessageToJson, ParseDict, ParseError
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

from adapters.temporal.payloads.codec_errors import CodecUnavailable
from domain.errors import OpledgerError

TOTAL_TIMEOUT = 4.0
"""Timeout in seconds for one call with its retries."""
ATTEMPT_TIMEOUT = 2.0
ATTEMPTS = 3
RETRY_INTERVAL = 0.1
MAX_BYTES = 16 * 1024 * 1024
"""Maximum size of a response. Temporal's largest message is 4 MiB; base64 and decompression enlarge it."""
_PAYLOAD_ERRORS = frozenset({400, 413, 415, 422})
"""HTTP statuses of a payload that the endpoint can never process. Every other error status is a problem of the
endpoint (an expired credential, a wrong path), after whose repair a retry succeeds."""
_log = logging.getLogger(__name__)


class PayloadRefused(OpledgerError):
    """The codec endpoint refuses this payload."""


class RemoteCodec(PayloadCodec):
    """Sends `POST {endpoint}/encode` and `/decode` with the JSON form of Temporal's `Payloads`.

    The namespace is in `X-Namespace`, as in the requests of Temporal's CLI and UI. Payloads and the authorization never
    appear in errors or logs.
    """

    def __init__(self, endpoint: str, namespace: str, authorization: str | None = None) -> None:
        self._endpoint = endpoint.rstrip("/")
        headers = {"Content-Type": "application/json", "X-Namespace": namespace}
        if authorization is not None:
            headers["Authorization"] = authorization
        self._http = httpx.AsyncClient(timeout=ATTEMPT_TIMEOUT, headers=headers)
        self._unavailable = False

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encodes the payloads. Raises CodecUnavailable, PayloadRefused."""
        return await self._call("encode", payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decodes the payloads. Raises CodecUnavailable, PayloadRefused."""
        return await self._call("decode", payloads)

    async def _call(self, method: str, payloads: Sequence[Payload]) -> list[Payload]:
        if not payloads:
            return []
        body = MessageToJson(Payloads(payloads=payloads), indent=None).encode()
        try:
            async with asyncio.timeout(TOTAL_TIMEOUT):
                answer = await self._with_retries(f"{self._endpoint}/{method}", body)
        except TimeoutError:
            self._log_availability(unavailable=True)
            raise CodecUnavailable(f"{method}: no answer within {TOTAL_TIMEOUT:g} s") from None
        except CodecUnavailable:
            self._log_availability(unavailable=True)
            raise
        self._log_availability(unavailable=False)
        return _payloads(method, answer, len(payloads))

    async def _with_retries(self, url: str, body: bytes) -> bytes:
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._post(url, body)
            except CodecUnavailable:
                await asyncio.sleep(RETRY_INTERVAL * attempt)
        return await self._post(url, body)

    async def _post(self, url: str, body: bytes) -> bytes:
        method = url.rpartition("/")[2]
        answer = b""
        try:
            async with self._http.stream("POST", url, content=body) as response:
                if response.status_code in _PAYLOAD_ERRORS:
                    raise PayloadRefused(f"{method}: the codec endpoint answers {response.status_code}")
                if response.status_code != httpx.codes.OK:
                    raise CodecUnavailable(f"{method}: the codec endpoint answers {response.status_code}")
                async for chunk in response.aiter_bytes():
                    answer += chunk
                    if len(answer) > MAX_BYTES:
                        raise PayloadRefused(f"{method}: the codec endpoint answers with more than {MAX_BYTES} bytes")
        except httpx.HTTPError as error:
            raise CodecUnavailable(f"{method}: the codec endpoint fails with {type(error).__name__}") from None
        return answer

    def _log_availability(self, *, unavailable: bool) -> None:
        """Logs the beginning and the end of an outage, not each call."""
        if unavailable != self._unavailable:
            self._unavailable = unavailable
            _log.warning(
                "the codec endpoint %s", "is unavailable; payloads wait for it" if unavailable else "answers again"
            )


def _payloads(method: str, answer: bytes, count: int) -> list[Payload]:
    """The payloads of a response. An invalid response is a problem of the endpoint, not of the payload."""
    try:
        decoded = ParseDict(json.loads(answer), Payloads(), ignore_unknown_fields=True).payloads
    except (ParseError, ValueError, RecursionError, TypeError, AttributeError):
        raise CodecUnavailable(f"{method}: the codec endpoint's answer is not Temporal's Payloads in JSON") from None
    if len(decoded) != count:
        raise CodecUnavailable(f"{method}: the codec endpoint answers with {len(decoded)} payloads for {count}")
    return list(decoded)
