"""Compares the history of an operation with the expected one."""

from collections.abc import Sequence
from dataclasses import dataclass

from opledger._client.models import Operation, OperationStatus, Transition
from opledger._client.sync_client import Client
from opledger._testing.ledger import OperationRef


@dataclass(frozen=True)
class Line:
    """An expected line of a history. What is None is not compared."""

    status: str | None = None
    """Status after the line."""
    source: str | None = None
    """`CLIENT`, `DISPATCHER`, `WORKFLOW`, `CALLBACK`, `CONFIRMATION`, `RECONCILIATION`, `VERIFICATION` or
    `ADOPTION`."""
    reason: str | None = None
    """A part of the reason."""
    actor: str | None = None

    def matches(self, line: Transition) -> bool:
        """Whether the line is as expected."""
        return (
            self.status in (None, line.to_status)
            and self.source in (None, line.source)
            and (self.reason is None or self.reason in line.reason)
            and self.actor in (None, line.actor)
        )

    def __str__(self) -> str:
        return _shown(self.status or "any status", self.source, self.reason, self.actor)


class AssertHistory:
    """Asserts histories of operations of one ledger."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __call__(self, operation: OperationRef, expected: Sequence[str | Line]) -> None:
        """Raises AssertionError, with both histories side by side, if the history differs.

        Args:
            operation: The operation, or its id.
            expected: One item for each line. A status stands for `Line(status)`. If all are statuses, lines that
                change no status, such as a cancellation request, are left out.
        """
        __tracebackhide__ = True
        operation_id = operation.id if isinstance(operation, Operation) else operation
        check_history(self._client.get(operation_id), self._client.history(operation_id), expected)


def check_history(operation: Operation, history: Sequence[Transition], expected: Sequence[str | Line]) -> None:
    """The same for a history that was read by any client."""
    __tracebackhide__ = True
    lines = [*history]
    if all(isinstance(item, str) for item in expected):
        lines = [line for line in lines if line.from_status is not line.to_status]
    wanted = [Line(item) if isinstance(item, str) else item for item in expected]
    unknown = {line.status for line in wanted if line.status is not None} - {*OperationStatus}
    if unknown:
        raise ValueError(f"no status: {', '.join(sorted(unknown))}; statuses are {', '.join(OperationStatus)}")
    if len(lines) == len(wanted) and all(one.matches(line) for one, line in zip(wanted, lines, strict=True)):
        return
    raise AssertionError("\n".join([*_head(operation), *_diff(wanted, lines), *_foot(operation)]))


def _head(operation: Operation) -> list[str]:
    return [f"history of operation {operation.id} ({operation.type}): expected (-), recorded (+)"]


def _foot(operation: Operation) -> list[str]:
    shown = []
    if operation.error is not None:
        shown.append(f"error: {operation.error.code}: {operation.error.message}")
    if operation.attention is not None:
        shown.append(f"attention: {operation.attention.kind}: {operation.attention.message}")
    return shown


def _diff(wanted: Sequence[Line], lines: Sequence[Transition]) -> list[str]:
    """The lines of both, in order, with as many in common as possible."""
    common = _common(wanted, lines)
    shown, i, j = [], 0, 0
    while i < len(wanted) or j < len(lines):
        left, right = i < len(wanted), j < len(lines)
        if left and right and wanted[i].matches(lines[j]) and common[i][j] == 1 + common[i + 1][j + 1]:
            shown.append(f"    {_of(lines[j])}")
            i, j = i + 1, j + 1
        elif left and (not right or common[i + 1][j] >= common[i][j + 1]):
            shown.append(f"  - {wanted[i]}")
            i += 1
        else:
            shown.append(f"  + {_of(lines[j])}")
            j += 1
    return shown


def _common(wanted: Sequence[Line], lines: Sequence[Transition]) -> list[list[int]]:
    """The most lines in common, of those from the i-th expected and the j-th recorded one on."""
    common = [[0] * (len(lines) + 1) for _ in range(len(wanted) + 1)]
    for i in reversed(range(len(wanted))):
        for j in reversed(range(len(lines))):
            both = common[i + 1][j + 1] + 1 if wanted[i].matches(lines[j]) else 0
            common[i][j] = max(both, common[i + 1][j], common[i][j + 1])
    return common


def _of(line: Transition) -> str:
    return _shown(line.to_status, line.source, line.reason, line.actor)


def _shown(status: str, source: str | None, reason: str | None, actor: str | None) -> str:
    by = "" if source is None else f"  {source}"
    why = "" if reason is None else f": {reason}"
    who = "" if actor is None else f" (by {actor})"
    return f"{status:<9}{by}{why}{who}".rstrip()
