"""Mistakes of the decorator, which harm the workflow itself: ledger and engine agree about what has become of it."""

from tests.seeded_bugs.bug import PUSHED, SIGNALLED, Bug, Hunk

_TRACKED_RUN = "sdk/src/opledger/_tracking/tracked_run.py"
_ERROR = """\
            await self.outcome.send_error(err)
            raise
"""

SWALLOWED = Bug(
    "swallowed-cancellation",
    "P7: the decorator takes a cancellation for an end without a result",
    PUSHED,
    (
        Hunk(
            _TRACKED_RUN,
            _ERROR,
            """\
            from temporalio.exceptions import is_cancelled_exception

            await self.outcome.send_error(err)
            if is_cancelled_exception(err):
                return None
            raise
""",
        ),
    ),
)
PLAIN_IS_FAILED = Bug(
    "plain-exception-fails",
    "P7: the decorator makes a failure of the workflow out of a failure of its task",
    PUSHED,
    (
        Hunk(
            _TRACKED_RUN,
            _ERROR,
            """\
            from temporalio import workflow
            from temporalio.exceptions import ApplicationError, is_cancelled_exception

            if not (is_cancelled_exception(err) or workflow.is_failure_exception(err)):
                err = ApplicationError(str(err), type=type(err).__name__)
            await self.outcome.send_error(err)
            raise err
""",
        ),
    ),
)
AWAITED = Bug(
    "outcome-awaited",
    "P7: the outcome is reported and awaited after the body; signals that arrive meanwhile are lost",
    SIGNALLED,
    (
        Hunk(
            "sdk/src/opledger/_tracking/outcome.py",
            "        return self._rule is not OutcomeReports.NEVER\n",
            "        return True\n",
        ),
    ),
)
BUGS = (SWALLOWED, PLAIN_IS_FAILED, AWAITED)
