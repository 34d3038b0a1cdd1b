"""The demo's report of its terminations."""

import pytest

from entrypoints.local.demo.terminations import NUMBER, Terminations, percentile


def test_percentiles_are_measured_values() -> None:
    """Nearest rank: 99 of a hundred values do not exceed the 99th percentile."""
    values = [float(number) for number in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (50, 99, 100)
    assert percentile([7.0], 99) == 7


def test_the_line_has_times_and_callbacks() -> None:
    """Median, p99 and longest, and the number of callbacks."""
    found = Terminations([0.01] * (NUMBER - 2) + [0.05, 1.2], NUMBER - 1)
    assert found.right
    assert found.words == (
        "100 of 100 more, terminated one after another: "
        "from close to ledger median 10 ms, p99 50 ms, longest 1,200 ms; 99 by callback."
    )


@pytest.mark.parametrize("known", [0, NUMBER - 1])
def test_a_missing_termination_fails_the_demo(known: int) -> None:
    """It is no longer as expected."""
    found = Terminations([0.01] * known, 0)
    assert not found.right
    assert found.words.startswith(f"{known} of {NUMBER} more")
