"""Outage of the ledger, as all calls of a plugin know it."""

import time

HOLD = 2.0
"""Longest time in seconds for which a report of the start or of progress holds a workflow. A local activity keeps the
workflow task open, and signals and updates wait until the task ends. An answer that takes longer ends no outage."""
PAUSE = 5.0
"""Seconds from a failure to the next call that waits for the ledger, so that it does not delay every start."""


class Outage:
    """Begins when the ledger cannot be reached or does not answer in time, and ends with the next answer in time."""

    def __init__(self) -> None:
        self.is_on = False
        """Whether the ledger has not answered in time since a failure."""
        self._pause_ends = 0.0

    def begin(self) -> None:
        """The ledger did not answer in time. A failure during the outage does not extend the pause: frequent ones would
        keep every caller from its attempt."""
        if not self.is_on:
            self.is_on, self._pause_ends = True, time.monotonic() + PAUSE

    def end(self) -> None:
        """The ledger has answered in time."""
        self.is_on = False

    def may_wait(self) -> bool:
        """Whether a caller may wait for the ledger now. After the pause, one caller may, and the others after its
        answer or the next pause."""
        if not self.is_on:
            return True
        if time.monotonic() < self._pause_ends:
            return False
        self._pause_ends = time.monotonic() + PAUSE
        return True
