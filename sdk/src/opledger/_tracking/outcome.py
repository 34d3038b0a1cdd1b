"""Decides whether a run reports its outcome, and reports it."""

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception

from opledger._tracking.description import describe_failure, describe_result, may_be_retried, to_failure
from opledger._tracking.reporting import Reporter
from opledger._tracking.run import has_handlers, has_other_tasks
from opledger.wire import OutcomeReports, UpdateKind


class OutcomeReport:
    """Report of a run's outcome. The run waits for it after its body has returned.

    Signals and updates that arrive during the wait are lost: their handlers run, but no body processes what they leave.
    Without the wait the server refuses the close, and the body gets the signal or update (measured). So a run reports
    its outcome only if nothing can reach it any more, or if the ledger has no other source.
    """

    def __init__(self, reporter: Reporter, rule: OutcomeReports | None) -> None:
        """Must be created before the body starts."""
        self._reporter = reporter
        self._rule = rule
        self._declared = False
        self._override: bool | None = None
        self._had_handlers = has_handlers()

    def declare(self, override: bool | None) -> None:
        """Allows the report, which only the decorator does. The outermost decorated method decides.

        `override`: the decorator's option `report_outcome`.
        """
        if not self._declared:
            self._declared, self._override = True, override

    async def send_result(self, result: Any) -> None:
        """Reports a result, if this run reports its outcome."""
        if not self._is_due():
            return
        try:
            payload = workflow.payload_converter().to_payload(result)
        except Exception:  # noqa: BLE001
            # The SDK cannot close the workflow with this result either: it fails the workflow task, which is retried.
            return
        value, omitted = describe_result(payload)
        await self._reporter.send_outcome(UpdateKind.COMPLETED, result=value, result_omitted=omitted)

    async def send_error(self, error: BaseException) -> None:
        """Reports an error that closes the workflow, if this run reports its outcome.

        Which errors close a workflow follows `_run_top_level_workflow_function` in temporalio's
        `worker/_workflow_instance.py`.
        """
        if not self._is_due():
            return
        if workflow.cancellation_reason() is not None and is_cancelled_exception(error):
            await self._reporter.send_outcome(UpdateKind.CANCELED)
            return
        # The SDK converts an asyncio cancellation without a cancellation request to a failure.
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
        if not self._declared:
            return False
        if self._override is not None:
            return self._override
        if self._rule is OutcomeReports.WHEN_SAFE:
            return not (self._had_handlers or has_handlers() or has_other_tasks(self._reporter.tasks))
        return self._rule is not OutcomeReports.NEVER
