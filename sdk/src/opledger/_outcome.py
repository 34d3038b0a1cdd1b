"""Decides whether a run reports its outcome, and reports it."""

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception

from opledger._description import describe_failure, describe_result, may_be_retried, to_failure
from opledger._reporting import Reporter
from opledger._run import has_handlers, has_tasks_besides
from opledger.wire import OutcomeReports, UpdateKind


class OutcomeReport:
    """The report of a run's outcome, which the run has to wait for after its body has ended.

    What arrives during that wait is lost: handlers run, and no body reads what they leave. Without the wait the server
    refuses the close and gives a signal or update that came before it to the body (measured). So a run reports only
    where nothing can reach it any more, or where the ledger knows no other way.
    """

    def __init__(self, reporter: Reporter, rule: OutcomeReports | None, wanted: bool | None) -> None:
        """Made before the body begins. `wanted` is the decorator's option."""
        self._reporter = reporter
        self._rule = rule
        self._wanted = wanted
        self._had_handlers = has_handlers()

    async def send_result(self, result: Any) -> None:
        """Report a result, where this run reports its outcome."""
        if not self._is_due():
            return
        try:
            payload = workflow.payload_converter().to_payload(result)
        except Exception:
            # Then the SDK cannot close the workflow with it either, and says so itself: the task fails, and is retried.
            return
        value, omitted = describe_result(payload)
        await self._reporter.send_outcome(UpdateKind.COMPLETED, result=value, result_omitted=omitted)

    async def send_error(self, error: BaseException) -> None:
        """Report an error that closes the workflow, by the rules with which the SDK closes it, where this run reports
        its outcome.

        Those rules are `_run_top_level_workflow_function` in temporalio's `worker/_workflow_instance.py`.
        """
        if not self._is_due():
            return
        if workflow.cancellation_reason() is not None and is_cancelled_exception(error):
            await self._reporter.send_outcome(UpdateKind.CANCELED)
            return
        # The SDK makes a failure of an asyncio cancellation that nobody requested.
        if not (isinstance(error, asyncio.CancelledError) or workflow.is_failure_exception(error)):
            return
        failure = to_failure(error, workflow.payload_converter())
        info = workflow.info()
        await self._reporter.send_outcome(
            UpdateKind.FAILED,
            error=describe_failure(failure),
            may_retry=may_be_retried(failure, info.retry_policy, info.attempt),
        )

    def _is_due(self) -> bool:
        if self._wanted is not None:
            return self._wanted
        if self._rule is OutcomeReports.WHEN_SAFE:
            return not (self._had_handlers or has_handlers() or has_tasks_besides(self._reporter.tasks))
        return self._rule is not OutcomeReports.NEVER
