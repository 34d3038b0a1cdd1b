"""What a campaign says in the end."""

from enum import StrEnum


class Verdict(StrEnum):
    """And the exit code to it."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    NOT_JUDGED = "NOT JUDGED"
    """Nothing is wrong, and not all has ended: the machine was too slow for the load, or something hangs."""

    @property
    def exit_code(self) -> int:
        """2 is argparse's."""
        return {Verdict.PASSED: 0, Verdict.FAILED: 1, Verdict.NOT_JUDGED: 3}[self]


def verdict(*, wrong: bool, unfinished: bool) -> Verdict:
    """What is wrong stays wrong, whatever else is still to come."""
    if wrong:
        return Verdict.FAILED
    return Verdict.NOT_JUDGED if unfinished else Verdict.PASSED
