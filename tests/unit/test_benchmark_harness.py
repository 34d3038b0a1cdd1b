"""What the benchmark makes of its figures: no figure here is measured."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.harness.markdown import BEGIN, END, PAGE, markdown, write_table
from benchmarks.harness.measurement import Goal, Row, Scale, in_turns, quantile
from benchmarks.harness.table import RESULTS, print_table, write_json


async def test_turns_alternate_and_the_first_does_not_count() -> None:
    """What the machine does meanwhile hits all of them alike."""
    order: list[str] = []

    def measure(name: str, *figures: float) -> object:
        async def once() -> Sequence[float]:
            order.append(name)
            return [figure + len(order) for figure in figures]

        return once

    ours, theirs = await in_turns(2, measure("ours", 10), measure("theirs", 20, 30))  # type: ignore[arg-type]
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert (ours, theirs) == ([(14.0,), (15.0,)], [(23.0, 33.0), (26.0, 36.0)])


@pytest.mark.parametrize(
    ("goal", "reached"), [(Goal(2, "at least"), True), (Goal(2.1, "at least"), False), (Goal(1.9, "at most"), False)]
)
def test_a_goal_is_for_the_median_of_the_ratios(goal: Goal, reached: bool) -> None:
    """Turn by turn, not of the medians."""
    row = Row("what", "that", "1/s", ours=(10, 20, 90), theirs=(1, 10, 90), goal=goal)
    assert (row.ratios, row.figure, row.reached) == ((10, 2, 1), 2, reached)


def test_a_goal_without_an_alternative() -> None:
    """It is for our figure."""
    row = Row("what", "", "ms", ours=(1, 9, 2), goal=Goal(2, "at most"))
    assert (row.ratios, row.figure, row.reached) == ((), 2, True)
    assert Row("what", "", "ms", ours=(1,)).reached is None


def test_the_table_and_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A goal that is missed is said to be."""
    rows = [
        Row("quick", "slow", "1/s", ours=(40, 41, 39), theirs=(10, 10, 10), goal=Goal(4, "at least")),
        Row("late", "", "ms", ours=(300,), goal=Goal(250, "at most"), note="on a bad day"),
    ]
    print_table(rows)
    printed = capsys.readouterr().out
    for words in ("quick", "4 (3.9-4.1)", "at least 4", "reached", "missed", "late: on a bad day"):
        assert words in printed
    write_json(rows, tmp_path / "results.json")
    found = json.loads((tmp_path / "results.json").read_text())
    assert [(line["what"], line["figure"], line["reached"]) for line in found["rows"]] == [
        ("quick", 4, True),
        ("late", 300, False),
    ]
    assert found["machine"]["processors"] >= 1


def test_scale_and_quantile() -> None:
    """A part of something is something; the value that so many do not exceed."""
    assert (Scale(5, 1).of(200), Scale(1, 0.01).of(20), Scale(1, 0.5).of(10, least=8)) == (200, 1, 8)
    assert (quantile([3, 1, 2], 0.5), quantile(range(100), 0.99), quantile([7], 1)) == (2, 99, 7)


def test_the_page_shows_the_figures_of_the_file() -> None:
    """Both are of the same run."""
    rows = json.loads(RESULTS.read_text())["rows"]
    assert f"{BEGIN}{markdown(rows)}{END}" in PAGE.read_text()


def test_new_table_replaces_the_old_one_alone(tmp_path: Path) -> None:
    """The text before and after the table stays."""
    write_json([Row("quick", "slow", "1/s", (40.0,), (10.0,), Goal(5, "at least"))], tmp_path / "results.json")
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}old\n{END}after\n")
    write_table(rows, page)
    lines = page.read_text().splitlines()
    assert lines[-3:] == ["| quick | slow | 4 (4-4) | at least 5 | **missed** | 40 | 10 | 1/s |", END.strip(), "after"]
    assert "old" not in lines
    with pytest.raises(ValueError, match="lacks the lines"):
        write_table(rows, tmp_path / "results.json")
