"""A server to measure, and the requests that it receives."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, repeat
from typing import Final
from uuid import UUID

import msgspec

from benchmarks.harness.client import connected, request, status

FINISHED: Final = "deploy"
"""Type of the filled jobs that are finished: every third (`benchmarks.data.rows.EVERY`)."""
UNFINISHED: Final = "commission"
TYPE: Final = f"CASE WHEN finished THEN '{FINISHED}' ELSE '{UNFINISHED}' END"
"""Of a filled job, in the SQL of `copies.py`."""
PAGE: Final = 50
READ: Final = "GET one operation"
LIST: Final = f"filtered list, page of {PAGE}"
COUNT: Final = "counts by type and status"
ACCEPT: Final = "accept (POST)"


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of request."""

    requests: Iterator[bytes]
    """Never ends."""
    status: int = 200
    """HTTP status of success."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One of the compared products."""

    name: str
    port: int
    calls: Mapping[str, Call]
    """By name: those of READ, LIST, COUNT and ACCEPT that the product offers."""


def reads(each: Sequence[bytes]) -> Call:
    """Returns a call that sends random ones of these requests."""
    chance = random.Random(1)
    return Call(chance.choice(each) for _ in repeat(None))


def same(each: bytes) -> Call:
    """Returns a call that repeats this request."""
    return Call(repeat(each))


def submissions(name: str, submit: Callable[[str], bytes], accepted: int = 202) -> Call:
    """Returns a call that submits, each time with a new idempotency key."""
    return Call((submit(f"{name}-{number}") for number in count(1)), accepted)


def job_id(number: int) -> UUID:
    """Identifier of a filled job, where the product uses UUIDs."""
    return UUID(int=number)


def post(path: str, body: object) -> bytes:
    """A request with a JSON body."""
    return request("POST", path, body=msgspec.json.encode(body))


async def answer_of(port: int, whole_request: bytes) -> object:
    """The decoded JSON answer. Raises RuntimeError: the status is not 2xx."""
    [client] = await connected(port, 1)
    try:
        answer = await client.send(whole_request)
    finally:
        client.close()
    if status(answer) // 100 != 2:
        raise RuntimeError(f"{whole_request[:100]!r} was answered {answer[:400]!r}")
    found: object = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])
    return found
