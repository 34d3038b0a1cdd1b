"""Bulk actions: the dry run, its confirmation, and the outcome of each operation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from opledger._client.calls import OPERATIONS, Answer, Call, json_body, operation_path, read_as
from opledger._client.filters import Filters, filter_body
from opledger._client.models import Operation

BulkVerb: TypeAlias = Literal["cancel", "retry", "delete", "acknowledge"]


class BulkPreview(Struct, frozen=True):
    """Answer to a dry run."""

    matching: int
    sample: list[Operation]
    confirm: str
    expires_at: datetime


@dataclass(frozen=True)
class DryRun:
    """What a dry run has found. `confirm` acts on these operations and on no others.

    Attributes:
        verb: What the confirmation does.
        matching: Number of operations.
        sample: The first of them, at most 10. Empty without the scope `read`.
        expires_at: Time from which it cannot be confirmed.
        token: Proves the dry run to the ledger.
        filter: The filter of the dry run, as JSON.
    """

    verb: BulkVerb
    matching: int
    sample: Sequence[Operation]
    expires_at: datetime
    token: str = field(repr=False)
    filter: Mapping[str, Any] = field(repr=False)


class Target(Struct, frozen=True):
    """An operation of a bulk action. `outcome`: `PENDING`, `DONE`, `SKIPPED` or `FAILED`; `code`, such as `NOT_FOUND`:
    why it was skipped or has failed; `new_operation_id`: the operation that retries it."""

    operation_id: str
    outcome: str
    code: str | None
    message: str | None
    new_operation_id: str | None


class TargetPage(Struct, frozen=True):
    """A page of targets. `next_page_token` is None on the last page."""

    items: list[Target]
    next_page_token: str | None


def dry_run(verb: BulkVerb, filters: Filters, *, everything: bool) -> Call[DryRun]:
    """Finds the operations of a bulk action, and changes none."""
    selected = filter_body(filters, everything=everything)

    def read(answer: Answer) -> DryRun:
        found = read_as(BulkPreview)(answer)
        return DryRun(verb, found.matching, found.sample, found.expires_at, found.confirm, selected)

    return Call("POST", f"{OPERATIONS}:{verb}", read, body=json_body({"filter": selected, "dry_run": True}))


def confirm(found: DryRun, reason: str | None, *, force: bool) -> Call[Operation]:
    """Starts a bulk action. A repeat with the same reason and `force` returns the same operation. Raises ValueError for
    `force` of another verb than cancel."""
    if force and found.verb != "cancel":
        raise ValueError(f"force is for cancel, not for {found.verb}")
    body = {"filter": found.filter, "confirm": found.token, "reason": reason} | ({"force": True} if force else {})
    return Call("POST", f"{OPERATIONS}:{found.verb}", read_as(Operation), body=json_body(body))


def outcomes(given: str | Iterable[str] | None) -> Sequence[str]:
    """The outcomes to select, as a sequence; an empty one selects all. Raises ValueError for an empty selection."""
    if given is None:
        return ()
    selected = (given,) if isinstance(given, str) else tuple(map(str, given))
    if not selected:
        raise ValueError("outcome: a filter needs a value; leave it out to select without it")
    return selected


def targets(operation_id: str, selected: Sequence[str], token: str | None) -> Call[TargetPage]:
    """Reads a page of the operations of a bulk action."""
    query = [("page_size", "200"), *(("outcome", one) for one in selected)]
    query += [] if token is None else [("page_token", token)]
    return Call("GET", f"{operation_path(operation_id)}/targets", read_as(TargetPage), query=query)
