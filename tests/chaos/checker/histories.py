"""P2 and P6: an operation's history lines are whole, in order, and move along the state machine alone."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.chaos.checker.chains import Chain
from tests.chaos.checker.facts import DONE, Line, Row, Violation

MOVES = {("ACCEPTED", "RUNNING"), ("RUNNING", "COMPLETED"), ("RUNNING", "FAILED")}
NEVER_RAN = ("CANCELED", "START_REJECTED")
"""Codes of what was given up before its start."""
NEVER_TAKEN = ("CANCELED", "TERMINATED", "TIMED_OUT")
"""Codes of what closed before any worker took it."""


def running_needs_a_worker(row: Row, lines: Sequence[Line], found: Sequence[Chain]) -> Iterator[Violation]:
    """P2: RUNNING where a worker has taken a chain, and ACCEPTED to FAILED where none has."""
    taken = any(run.taken for chain in found for run in chain.runs)
    ran = any(line.to_status == "RUNNING" for line in lines)
    if found and ran and not taken:
        yield Violation(row.id, "P2", "no RUNNING of what no worker ever took", f"RUNNING, then {row.error_code}")
    if taken and row.status == "FAILED" and not ran and row.error_code not in NEVER_RAN:
        yield Violation(row.id, "P2", "RUNNING of what a worker has taken", f"FAILED {row.error_code} at once")


def moves(row: Row, lines: Sequence[Line]) -> Iterator[Violation]:
    """P2."""
    for before, line in pairwise(lines):
        step = (line.from_status, line.to_status)
        if line.from_status == line.to_status:
            continue
        if before.to_status in DONE:
            yield Violation(row.id, "P2", f"nothing after {before.to_status}", f"{step} at line {line.sequence}")
        elif step == ("ACCEPTED", "FAILED"):
            if row.error_code not in NEVER_RAN + NEVER_TAKEN:
                yield Violation(row.id, "P2", "ACCEPTED to FAILED for what needs no worker", str(row.error_code))
        elif step not in MOVES:
            yield Violation(row.id, "P2", f"one of {sorted(MOVES)}", f"{step} at line {line.sequence}")
    last = lines[-1].to_status if lines else None
    if row.status != last:
        yield Violation(row.id, "P2", f"the row as its last line, {last}", row.status)


def lines_are_whole(row: Row, lines: Sequence[Line]) -> Iterator[Violation]:
    """P6."""
    sequences = [line.sequence for line in lines]
    if not lines or sequences != list(range(1, len(lines) + 1)):
        yield Violation(row.id, "P6", "lines 1, 2, 3... without a gap", str(sequences))
        return
    if row.history_length != len(lines):
        yield Violation(row.id, "P6", f"a row that counts {len(lines)} lines", str(row.history_length))
    if (lines[0].from_status, lines[0].to_status) != (None, "ACCEPTED"):
        yield Violation(row.id, "P6", "the acceptance first", f"{lines[0].from_status} to {lines[0].to_status}")
    for before, line in pairwise(lines):
        if line.from_status != before.to_status:
            yield Violation(row.id, "P6", f"line {line.sequence} from {before.to_status}", str(line.from_status))
        if line.at < before.at:
            yield Violation(row.id, "P6", f"line {line.sequence} not before {before.at}", str(line.at))
    for line in lines:
        if not line.source or not line.reason:
            yield Violation(
                row.id, "P6", f"source and reason on line {line.sequence}", repr((line.source, line.reason))
            )


def terminal(lines: Sequence[Line]) -> Line | None:
    """The line that ended the operation."""
    ended = (line for line in lines if line.to_status in DONE and line.from_status != line.to_status)
    return next(ended, None)
