"""P3 and P4: every close reaches the row, with the same outcome, and no row ends before its chain has closed."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from tests.chaos.checker.acknowledging import is_acknowledgement
from tests.chaos.checker.chains import Chain
from tests.chaos.checker.facts import DONE, End, Line, Row, Violation
from tests.chaos.checker.histories import NEVER_RAN, terminal

SAME_TIME = timedelta(seconds=1)
OF_A_DELETED_ONE = ("TERMINATED", "EXECUTION_LOST")


def outcome(
    row: Row,
    lines: Sequence[Line],
    chains: Sequence[Chain],
    deleted: Sequence[datetime],
) -> Iterator[Violation]:
    """What is wrong with the row's end."""
    if not chains:
        yield from _gone(row, deleted)
        return
    chain = chains[-1]
    if not chain.ends:
        if row.status in DONE:
            yield Violation(row.id, "P3", "no end before the chain's", f"{row.status} {row.error_code}")
        return
    if row.status not in DONE:
        yield Violation(row.id, "P4", f"the end of a closed chain: {chain.ends[-1]}", row.status)
        return
    reported = reported_end(row, chain)
    if reported is None and _shows_deleted_one(row, chain, deleted):
        yield from _divergence(row, lines, chain)
        return
    if reported is None:
        last = chain.ends[-1]
        yield Violation(row.id, "P4", str(last), "; ".join(differences(row, last)))
        return
    ended = terminal(lines)
    if ended is not None and ended.at < reported.closed_at:
        yield Violation(row.id, "P3", f"no end before the close at {reported.closed_at}", str(ended.at))
    if row.finished_at is not None and not _is_at_its_time(row, reported):
        yield Violation(row.id, "P4", f"an end at {reported.closed_at}", f"finished_at {row.finished_at}")
    yield from _divergence(row, lines, chain)


def reported_end(row: Row, chain: Chain) -> End | None:
    """The chain's end that the row shows. Of several that are alike, the one at its time, else the earliest."""
    alike = [end for end in chain.ends if not differences(row, end)]
    return next((end for end in alike if _is_at_its_time(row, end)), alike[0] if alike else None)


def _is_at_its_time(row: Row, end: End) -> bool:
    return row.finished_at is not None and abs(row.finished_at - end.closed_at) <= SAME_TIME


def differences(row: Row, end: End) -> list[str]:
    """Where the row does not show this end."""
    if end.kind == "COMPLETED":
        if row.status != "COMPLETED" or row.result is None:
            return [_shown(row)]
        return [] if _canonical(row.result) == _canonical(end.result) else [f"result {row.result}"]
    if row.status != "FAILED" or row.error_code != end.kind:
        return [_shown(row)]
    if end.kind == "WORKFLOW_FAILED":
        return [] if row.error_message == end.message else [f"message {row.error_message!r}"]
    if end.kind in ("TERMINATED", "CANCELED"):
        wanted = {"reason": end.reason, "actor": end.actor}
        wrong = [
            f"{name} {row.error_details.get(name)!r}" for name in wanted if row.error_details.get(name) != wanted[name]
        ]
        message = end.reason or end.kind.lower()
        return wrong + ([] if row.error_message == message else [f"message {row.error_message!r}"])
    return []


def contradicts(row: Row, end: End) -> bool:
    """Whether a later end says something else: another status, code or result. Another message or reason does not."""
    if end.kind == "COMPLETED":
        return bool(differences(row, end))
    return row.error_code != end.kind


def _gone(row: Row, deleted: Sequence[datetime]) -> Iterator[Violation]:
    if row.status == "FAILED" and row.started_at is None and (row.error_code in NEVER_RAN or row.superseded_by):
        return
    if row.status not in DONE:
        yield Violation(row.id, "P4", "an end of what Temporal does not know", row.status)
    elif deleted and (row.status != "FAILED" or row.error_code not in OF_A_DELETED_ONE):
        yield Violation(row.id, "P4", f"one of {OF_A_DELETED_ONE} for a deleted execution", _shown(row))


def _shows_deleted_one(row: Row, chain: Chain, deleted: Sequence[datetime]) -> bool:
    """Whether the row shows the end of an execution that was deleted. The ledger, which had no answer to its first
    start, has started the chain before it heard of that end."""
    earlier = any(at < chain.started_at for at in deleted)
    return earlier and row.status == "FAILED" and row.error_code in OF_A_DELETED_ONE


def _divergence(row: Row, lines: Sequence[Line], chain: Chain) -> Iterator[Violation]:
    """A later end that contradicts the row is noted on the row and in its history; one that agrees is not. It is
    another problem than one that was acknowledged before."""
    needs_attention = row.attention_kind == "DIVERGED"
    diverged = needs_attention or (row.acknowledged or {}).get("kind") == "DIVERGED"
    last = chain.ends[-1]
    if contradicts(row, last):
        acknowledged = max((line.at for line in lines if is_acknowledgement(line, "DIVERGED")), default=last.closed_at)
        if not diverged or (not needs_attention and acknowledged < last.closed_at):
            yield Violation(row.id, "P4", f"attention DIVERGED: the chain's last end is {last}", _shown(row))
        ended = terminal(lines)
        if diverged and (ended is None or lines[-1].sequence <= ended.sequence):
            yield Violation(row.id, "P6", "a line that tells of the divergence", "none after the end")
    elif diverged and not any(contradicts(row, end) for end in chain.ends):
        yield Violation(row.id, "P4", "no divergence where every end agrees", f"DIVERGED; {_shown(row)}")


def _shown(row: Row) -> str:
    if row.status == "FAILED":
        return f"FAILED {row.error_code}: {row.error_message}"
    return f"{row.status} {row.result or ''}".strip()


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)
