"""The batch call: many submissions in few requests."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from opledger._client.calls import OPERATIONS, Answer, Call, json_body, read_as, submission_fields
from opledger._client.models import Operation
from opledger._problems import ProblemBody, refused
from opledger._submission import Submission
from opledger.errors import LedgerRefused

MAX_BATCH: Final = 500
"""Submissions of a request."""
MAX_BATCH_BYTES: Final = 4 * 1024 * 1024
"""Bytes of a request's body, as the ledger accepts them."""
_FRAME: Final = len(b'{"operations":[]}')


@dataclass(frozen=True)
class BatchResult:
    """Result of one submission of a batch: its operation, or why it was refused."""

    operation: Operation | None
    error: LedgerRefused | None = None
    replayed: bool = False
    """Whether an earlier submission with the same key created the operation."""


def batch_requests(submissions: Iterable[Submission]) -> Iterator[Call[Sequence[BatchResult]]]:
    """Submits operations. Each request is one commit, of at most MAX_BATCH submissions and MAX_BATCH_BYTES.

    Yields one request at a time: a large batch is never in memory as a whole. Raises ValueError, before the first
    request, for a submission that alone has more bytes.
    """
    everything = list(submissions)
    sizes = [len(_item(one)) for one in everything]
    for number, size in enumerate(sizes):
        if _FRAME + size > MAX_BATCH_BYTES:
            raise ValueError(f"submissions[{number}]: has {size} bytes; a request has at most {MAX_BATCH_BYTES}")
    start = 0
    while start < len(everything):
        end = _end_of_part(sizes, start)
        items = b",".join(map(_item, everything[start:end]))
        yield Call("POST", f"{OPERATIONS}/batch", _read, body=b'{"operations":[' + items + b"]}")
        start = end


def _end_of_part(sizes: Sequence[int], start: int) -> int:
    """Index after the last submission that fits into the request that begins at `start`."""
    total = _FRAME - 1
    for end in range(start, min(start + MAX_BATCH, len(sizes))):
        total += sizes[end] + 1
        if total > MAX_BATCH_BYTES:
            return end
    return min(start + MAX_BATCH, len(sizes))


def _item(one: Submission) -> bytes:
    return json_body({**submission_fields(one), "idempotency_key": one.idempotency_key or secrets.token_hex(16)})


class _Item(Struct):
    status: int
    operation: Operation | None = None
    replayed: bool = False
    problem: ProblemBody | None = None


class _Body(Struct):
    items: list[_Item]


def _read(answer: Answer) -> Sequence[BatchResult]:
    return [
        BatchResult(item.operation, None if item.problem is None else refused(item.status, item.problem), item.replayed)
        for item in read_as(_Body)(answer).items
    ]
