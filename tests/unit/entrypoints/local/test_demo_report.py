"""The demo's words about its terminations."""

import pytest

from entrypoints.local.demo.terminations import NUMBER, Terminations, percentile


def test_percentiles_are_values_that_were_seen() -> None:
    """The nearest rank: of a hundred values the 99th is not exceeded by 99 of them."""
    values = [float(number) for number in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (50, 99, 100)
    assert percentile([7.0], 99) == 7


def test_times_and_channels_are_told() -> None:
    """Median, p99 and longest, and how many came by callback."""
    found = Terminations([0.01] * (NUMBER - 2) + [0.05, 1.2], NUMBER - 1)
    assert found.right
    assert found.words == (
        "100 of 100 more, terminated one after another: "
        "from close to ledger median 10 ms, p99 50 ms, longest 1,200 ms; 99 by callback."
    )


@pytest.mark.parametrize("known", [0, NUMBER - 1])
def test_one_that_is_missing_is_wrong(known: int) -> None:
    """Then the demo fails."""
    found = Terminations([0.01] * known, 0)
    assert not found.right
    assert found.words.startswith(f"{known} of {NUMBER} more")
