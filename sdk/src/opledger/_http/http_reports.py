"""Local activity that sends a workflow's report over HTTP."""

import logging

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from opledger._http import outage
from opledger._http.background_reports import BackgroundReports
from opledger._http.ledger import Reports
from opledger._tracking.transport import HTTP_REPORT_ACTIVITY, IN_BACKGROUND, LEDGER_REFUSED
from opledger.errors import ApiKeyRefused, LedgerRefused, LedgerUnavailable
from opledger.wire import StatusUpdate

_SHARE = 0.9
"""Part of the activity's timeout in which it retries."""
_log = logging.getLogger(__name__)


class HttpReports:
    """The activity."""

    def __init__(self, ledger: Reports | None, background: BackgroundReports | None) -> None:
        """Both are None if the plugin has no URL. Runs that began when it had one still call the activity, and would
        not replay without it."""
        self._ledger = ledger
        self._background = background

    @activity.defn(name=HTTP_REPORT_ACTIVITY)
    async def send(self, update: StatusUpdate) -> None:
        """Sends the report. The start and progress are delivered in the background, and the activity waits at most
        `outage.HOLD` seconds for that. An outcome is sent within the activity's timeout, retries included.

        Raises:
            ApplicationError: the outcome is lost. Benign, so that temporalio logs no stack trace.
        """
        info = activity.info()
        if not info.is_local or info.start_to_close_timeout is None:
            # Every workflow of the namespace could report with this worker's key.
            raise ApplicationError(f"{HTTP_REPORT_ACTIVITY} runs as a local activity only", non_retryable=True)
        if self._ledger is None or self._background is None:
            raise _lost("OpledgerPlugin has no URL on this worker", "NoUrl")
        within = _SHARE * info.start_to_close_timeout.total_seconds()
        if update.kind in IN_BACKGROUND:
            await self._background.send(update, hold=min(outage.HOLD, within))
            return
        try:
            await self._ledger.report(update, within=within)
        except LedgerRefused as refused:
            if not isinstance(refused, ApiKeyRefused):
                _log.warning(
                    "Operation %s: the ledger refused the report %r: %s",
                    update.operation_id,
                    update.kind.value,
                    refused,
                )
            raise _lost(str(refused), LEDGER_REFUSED) from None
        except LedgerUnavailable as unavailable:
            raise _lost(str(unavailable), type(unavailable).__name__) from None


def _lost(message: str, kind: str) -> ApplicationError:
    return ApplicationError(message, type=kind, non_retryable=True, category=ApplicationErrorCategory.BENIGN)
