"""Services that answer half of a response, or nothing, on real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from opledger import LedgerUnavailable
from opledger._client import calls
from opledger._client.exchange import Send
from opledger._client.setup import attempt_timeout
from tests.support.http.clients import clients
from tests.unit.sdk.client.test_exchange import ID, OPERATION

BODY = b'{"by_status": {}, "by_type": {}, "by_error_code": {"TIMED_OUT": 7}}'
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
GOOD = _HEAD % len(BODY) + BODY
DONE = _HEAD % len(json.dumps(OPERATION)) + json.dumps(OPERATION).encode()
BROKEN = {
    "nothing": b"",
    "half a head": GOOD[:30],
    "half a body": GOOD[:-10],
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "too many requests": b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n",
    "overloaded": b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n",
}


@asynccontextmanager
async def answering(*answers: bytes | None, heads: list[bytes] | None = None) -> AsyncIterator[str]:
    """A server whose connections get the answers in turn, the last one from then on, and are closed; with None they get
    no answer, and stay open. `heads` gets those of the requests."""
    left = [*answers]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if heads is not None:
            heads.append(head)
        given = left.pop(0) if len(left) > 1 else left[0]
        if given is None:
            await reader.read()  # until the client leaves
        else:
            writer.write(given)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("broken", BROKEN)
async def test_broken_answer_is_asked_for_again(kind: str, broken: str) -> None:
    """The next one is used."""
    async with answering(BROKEN[broken], BROKEN[broken], GOOD) as url:
        client = clients(url)[kind]
        assert (await client.counts()).by_error_code == {"TIMED_OUT": 7}
        await client.close()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_connection_that_hangs_is_left_within_the_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next request is on another connection. A server that never answers is unavailable, also to a wait."""
    monkeypatch.setattr("opledger._client.exchange.ATTEMPT_TIMEOUT", 0.1)
    async with answering(None, GOOD) as url:
        client = clients(url)[kind]
        assert (await client.counts()).by_error_code == {"TIMED_OUT": 7}
        await client.close()
    async with answering(None, DONE) as url:
        client = clients(url)[kind]
        assert (await client.wait(ID, 10)).id == ID
        await client.close()
    heads: list[bytes] = []
    async with answering(None, heads=heads) as url:
        client = clients(url, timeout=2.0)[kind]
        with pytest.raises(LedgerUnavailable, match="Timeout"):
            await client.counts()
        assert len(heads) > 1
        await client.close()


def test_timeouts_of_an_attempt() -> None:
    """Only the wait for the response ends early. A body of 4 MiB over a slow link takes as long as it takes."""
    timeout = attempt_timeout(Send(calls.counts(), within=30.0, silence=10.0))
    assert timeout.as_dict() == {"connect": 5.0, "write": 30.0, "read": 10.0, "pool": 30.0}


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_service_that_never_answers_well_is_unavailable(kind: str) -> None:
    """Within the time."""
    async with answering(BROKEN["half a body"]) as url:
        client = clients(url, timeout=0.5)[kind]
        with pytest.raises(LedgerUnavailable, match=url):
            await client.counts()
        await client.close()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_broken_stream_resumes_after_its_last_whole_event(kind: str) -> None:
    """Nothing comes twice, and nothing is lost."""
    first, last = (
        b"id: %d\nevent: operation\ndata: %s\n\n" % (number, json.dumps({**OPERATION, "done": number == 2}).encode())
        for number in (1, 2)
    )
    stream = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    heads: list[bytes] = []
    broken = [BROKEN["overloaded"], BROKEN["nothing"], stream + first + last[:-20], BROKEN["too many requests"]]
    async with answering(*broken, stream + last, heads=heads) as url:
        client = clients(url)[kind]
        assert [event.id async for event in client.events(ID)] == ["1", "2"]
        await client.close()
    assert [b"last-event-id: 1" in head.lower() for head in heads] == [False, False, False, True, True]
