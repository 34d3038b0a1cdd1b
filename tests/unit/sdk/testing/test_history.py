"""`assert_history`: what it accepts, and what it says when it does not."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from opledger import Operation, OperationStatus, Transition
from opledger.testing import Line, check_history, open_ledger

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ACCEPTED, RUNNING, FAILED = OperationStatus.ACCEPTED, OperationStatus.RUNNING, OperationStatus.FAILED
HISTORY = [
    Transition(1, None, ACCEPTED, "CLIENT", "accepted", "ann", NOW, {}),
    Transition(2, ACCEPTED, RUNNING, "WORKFLOW", "the workflow reports that it has started", None, NOW, {}),
    Transition(3, RUNNING, RUNNING, "CLIENT", "cancellation requested", None, NOW, {}),
    Transition(4, RUNNING, FAILED, "CALLBACK", "the execution closed: TERMINATED", "bob", NOW, {}),
]


@pytest.fixture(scope="module")
def operation(ledger_operations: Path) -> Operation:
    """A terminated operation."""
    with open_ledger(ledger_operations) as ledger:
        client = ledger.client()
        made = client.submit("deploy", {"machine": "m1"})
        ledger.terminate(made, "too dear", "bob")
        return client.get(made.id)


@pytest.mark.parametrize(
    "expected",
    [
        ["ACCEPTED", "RUNNING", "FAILED"],
        [ACCEPTED, RUNNING, FAILED],
        ["ACCEPTED", Line(source="WORKFLOW"), Line(reason="requested"), Line("FAILED", actor="bob")],
    ],
    ids=["names", "statuses", "lines"],
)
def test_expected_history_is_accepted(operation: Operation, expected: list[str | Line]) -> None:
    check_history(operation, HISTORY, expected)


def test_difference_is_shown_line_by_line(operation: Operation) -> None:
    """With the error of the operation, which is often the reason."""
    with pytest.raises(AssertionError) as raised:
        check_history(operation, HISTORY, ["ACCEPTED", "RUNNING", "COMPLETED"])
    assert str(raised.value).splitlines() == [
        f"history of operation {operation.id} (deploy): expected (-), recorded (+)",
        "    ACCEPTED   CLIENT: accepted (by ann)",
        "    RUNNING    WORKFLOW: the workflow reports that it has started",
        "  - COMPLETED",
        "  + FAILED     CALLBACK: the execution closed: TERMINATED (by bob)",
        "error: TERMINATED: too dear",
    ]


@pytest.mark.parametrize(
    ("expected", "shown"),
    [
        ([], ["  + ACCEPTED", "  + RUNNING", "  + FAILED"]),
        (["ACCEPTED", "RUNNING", "FAILED", "FAILED"], ["    ACCEPTED", "    RUNNING", "    FAILED", "  - FAILED"]),
        (["ACCEPTED", "FAILED"], ["    ACCEPTED", "  + RUNNING", "    FAILED"]),
        (
            [Line("ACCEPTED"), Line("RUNNING", "VERIFICATION"), Line(), Line("FAILED")],
            ["    ACCEPTED", "  - RUNNING    VERIFICATION", "    RUNNING", "  + RUNNING", "    FAILED"],
        ),
    ],
    ids=["none", "one too many", "one missing", "wrong source"],
)
def test_other_differences(operation: Operation, expected: list[str | Line], shown: list[str]) -> None:
    with pytest.raises(AssertionError) as raised:
        check_history(operation, HISTORY, expected)
    lines = str(raised.value).splitlines()[1:-1]
    assert [line[: len(start)] for line, start in zip(lines, shown, strict=True)] == shown


def test_misspelt_status_is_no_difference(operation: Operation) -> None:
    with pytest.raises(ValueError, match="no status: DONE; statuses are ACCEPTED, RUNNING, COMPLETED, FAILED"):
        check_history(operation, HISTORY, ["ACCEPTED", "DONE"])
