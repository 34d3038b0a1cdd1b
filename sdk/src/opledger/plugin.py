"""The plugin for Temporal clients and workers."""

import dataclasses
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Literal

from temporalio.client import ClientConfig
from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker, WorkerConfig, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from opledger._address import find_address
from opledger._http.background_reports import BackgroundReports
from opledger._http.http_ledger import HttpLedger
from opledger._http.http_reports import HttpReports
from opledger._plugin.client_interceptor import ClientInterceptor
from opledger._plugin.plugin_run import Tracking
from opledger._plugin.selection import Selection, WorkflowTypes
from opledger._plugin.start_description import Labels, StartDescription, TypeOf
from opledger._plugin.start_recorder import OnLedgerDown, StartRecorder
from opledger._plugin.worker_interceptor import WorkerInterceptor
from opledger.wire import LEDGER_TASK_QUEUE

MIN_CACHED = 2
"""Least number of cached workflows. With fewer, a worker evicts runs whose local activities are executing, and their
next workflow task times out (measured on SDK 1.35, without the plugin too)."""
_log = logging.getLogger(__name__)


class OpledgerPlugin(SimplePlugin):
    """Tracks workflows in a ledger, without a change of their code.

    Give it to the client, and the workers of that client have it too:

        client = await Client.connect(address, plugins=[OpledgerPlugin(url="https://ledger.example.com")])

    On a worker that has a plugin of its own, that one replaces the client's.

    **Worker.** Every workflow of the worker is an operation, also children (with their parent) and those that a
    Schedule or another language's client started. It reports its start, and its progress where it calls
    `report_progress`. The ledger learns the end from Temporal, so that no workflow waits for a report at its end, and
    no signal or update is lost. A workflow that ends without ever waiting sends no report; only the client side or a
    watch rule finds it. A lost start report is not repeated; the next report makes the operation.

    **Client.** With a URL, `start_workflow` (also with a start signal) and update-with-start record the operation
    before the start, under the caller's own workflow id; `opledger.operation_id(handle)` is its id. The
    arguments become the operation's input, as JSON and without the client's payload codec. Schedules are not recorded
    in advance.

    **Open runs.** A run that was open when the plugin was added replays as it was recorded, and stays untracked until
    it continues as new. A run keeps its transport when the URL is added or removed (without the URL, its reports over
    HTTP are lost), and stays tracked when its type is excluded. Before you remove the plugin, exclude all types
    (`include=[]`), and wait until the tracked runs have closed: without the plugin they do not replay.

    **With the decorator.** The plugin sends the reports, and the decorator decides about the outcome report.

    **Replayer.** `Replayer(plugins=[OpledgerPlugin(...)])` replays histories that were recorded with it or without it.

    **Environment.** `OPLEDGER_URL`, `OPLEDGER_API_KEY` and `OPLEDGER_API_KEY_FILE` stand for `url` and `api_key`.
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        api_key: str | None = None,
        include: WorkflowTypes | None = None,
        exclude: WorkflowTypes | None = None,
        ledger_task_queue: str = LEDGER_TASK_QUEUE,
        report_timeout: timedelta = timedelta(seconds=10),
        on_ledger_down: Literal["start", "refuse"] = "start",
        type_of: TypeOf | None = None,
        labels: Labels | None = None,
    ) -> None:
        """Makes a plugin for any number of clients and workers.

        Args:
            url: URL of the ledger's API. With it, reports are local activities that use HTTP. Without it, they are
                ordinary activities on the ledger's task queue, and the client records nothing.
            api_key: Key with the scope `report`, and for a client also `submit`. A refused key is logged once, and
                workflows run untracked.
            include: Names of the workflow types to track, or a function that is true for them. None: all.
            exclude: Names of workflow types not to track, or such a function.
            ledger_task_queue: Task queue of the ledger's worker.
            report_timeout: Timeout of one report, retries included. Must be above zero. A report over HTTP of the start
                or of progress holds the workflow for at most 2 s, and none during an outage of the ledger. It is
                delivered in the background until this timeout.
            on_ledger_down: For the client, if the operation cannot be recorded. "start": start the workflow and log
                it. "refuse": raise `LedgerUnavailable` or `LedgerRefused`.
            type_of: Operation type of a workflow type, for the client; a mapping or a function. Default: the same name.
            labels: Labels of operations that the client records; a mapping, or a function of the workflow type and the
                arguments.

        Raises:
            ValueError: the URL, the key, `report_timeout` or `on_ledger_down` is invalid, or the key file cannot be
                read.
            TypeError: `include` or `exclude` is a string.
        """
        if report_timeout <= timedelta(0):
            raise ValueError("report_timeout must be above zero")
        address = find_address(url, api_key)
        selection = Selection(include, exclude)
        self._recorder_options: dict[str, Any] = {
            "selection": selection,
            "on_ledger_down": OnLedgerDown(on_ledger_down),
            "description": StartDescription(type_of, labels),
        }
        # Not the same connections: the client goes on when a worker ends.
        self._client_ledger = None if address is None else HttpLedger(address)
        worker_ledger = None if address is None else HttpLedger(address, beside=self._client_ledger)
        reports = None if worker_ledger is None else BackgroundReports(worker_ledger, report_timeout.total_seconds())
        self._report_activity = HttpReports(worker_ledger, reports).send
        tracking = Tracking(selection, worker_ledger is not None, ledger_task_queue, report_timeout)
        super().__init__(
            "opledger.OpledgerPlugin",
            interceptors=[WorkerInterceptor(tracking, reports)],
            workflow_runner=_pass_through,
            run_context=None if reports is None else reports.open,
        )

    def configure_client(self, config: ClientConfig) -> ClientConfig:
        """Adds the client side."""
        config = super().configure_client(config)
        if self._client_ledger is not None:
            recorder = StartRecorder(ledger=self._client_ledger, config=config, **self._recorder_options)
            config["interceptors"] = [*config["interceptors"], ClientInterceptor(recorder)]
        return config

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """Adds the worker side, in place of that of an earlier OpledgerPlugin: Temporal puts the client's first."""
        earlier = [one for one in config.get("interceptors") or [] if not isinstance(one, WorkerInterceptor)]
        config = super().configure_worker({**config, "interceptors": earlier})
        own = [one for one in config.get("activities") or [] if not _is_report_activity(one)]
        if config.get("nexus_service_handlers") and not own and not config.get("workflows"):
            return config  # nothing calls the activity, and a worker of Nexus services alone does not end with it
        if not own:
            # The worker still polls for no activities: another worker has those of this task queue.
            config["no_remote_activities"] = True
        config["activities"] = [*own, self._report_activity]
        if self._client_ledger is not None and config.get("max_cached_workflows", MIN_CACHED) < MIN_CACHED:
            _log.warning(
                "max_cached_workflows of the worker is below %d: workflows with reports over HTTP, as all with local "
                "activities, can delay each other for 10 seconds",
                MIN_CACHED,
            )
        return config

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:  # noqa: A002
        """Runs the worker.

        Raises:
            RuntimeError: a later plugin has added activities to a worker that had none.
        """
        before, active = worker.config(), worker.config(active_config=True)
        if active.get("no_remote_activities") and not before.get("no_remote_activities"):
            added = [one for one in active.get("activities") or [] if not _is_report_activity(one)]
            if added:
                raise RuntimeError(
                    "a plugin after OpledgerPlugin adds activities to a worker that has none of its own; put "
                    "OpledgerPlugin last, so that the worker polls for them"
                )
        await super().run_worker(worker, next)


def _is_report_activity(activity: Callable[..., Any]) -> bool:
    return isinstance(getattr(activity, "__self__", None), HttpReports)


def _pass_through(runner: WorkflowRunner | None) -> WorkflowRunner:
    """Lets workflows in the sandbox use the imported package, so that no run imports it again."""
    assert runner is not None, "temporalio sets the runner before it asks plugins"
    if isinstance(runner, SandboxedWorkflowRunner):
        return dataclasses.replace(runner, restrictions=runner.restrictions.with_passthrough_modules("opledger"))
    return runner
