"""Worker side of the plugin: tracks every selected workflow, and lets its activities report progress."""

from typing import Any, NoReturn

from temporalio import workflow
from temporalio.worker import (
    ActivityInboundInterceptor,
    ContinueAsNewInput,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    HandleSignalInput,
    HandleUpdateInput,
    Interceptor,
    StartActivityInput,
    StartChildWorkflowInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from opledger._http.background_reports import BackgroundReports
from opledger._plugin.activity_progress import ActivityProgress, current
from opledger._plugin.caller import read_caller
from opledger._plugin.plugin_run import PluginRun, Tracking


class WorkerInterceptor(Interceptor):
    """Intercepts workflows and activities of a worker."""

    def __init__(self, tracking: Tracking, reports: BackgroundReports | None) -> None:
        """`reports`: for the progress of activities; None without a URL."""
        self._tracking = tracking
        self._reports = reports

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002
    ) -> type[WorkflowInboundInterceptor]:
        """The class that intercepts a run."""
        tracking = self._tracking

        class Inbound(_WorkflowInbound):
            def __init__(self, next: WorkflowInboundInterceptor) -> None:  # noqa: A002
                super().__init__(next, tracking)

        return Inbound

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Lets activities report progress over HTTP."""
        return next if self._reports is None else _ActivityInbound(next, self._reports)


class _ActivityInbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, reports: BackgroundReports) -> None:  # noqa: A002
        super().__init__(next)
        self._reports = reports

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        token = current.set(ActivityProgress(self._reports, read_caller(input.headers)))
        try:
            return await super().execute_activity(input)
        finally:
            current.reset(token)


class _WorkflowInbound(WorkflowInboundInterceptor):
    def __init__(self, next: WorkflowInboundInterceptor, tracking: Tracking) -> None:  # noqa: A002
        super().__init__(next)
        self._run = PluginRun(tracking)

    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_WorkflowOutbound(outbound, self._run))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002
        tracked = self._run.begin()
        body = super().execute_workflow(input)
        return await (body if tracked is None else tracked.run(body))

    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002
        self._run.begin()
        await super().handle_signal(input)

    async def handle_update_handler(self, input: HandleUpdateInput) -> Any:  # noqa: A002
        self._run.begin()
        return await super().handle_update_handler(input)


class _WorkflowOutbound(WorkflowOutboundInterceptor):
    def __init__(self, next: WorkflowOutboundInterceptor, run: PluginRun) -> None:  # noqa: A002
        super().__init__(next)
        self._run = run

    def continue_as_new(self, input: ContinueAsNewInput) -> NoReturn:  # noqa: A002
        super().continue_as_new(self._run.to_next_run(input))

    def start_activity(self, input: StartActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002
        input.headers = self._run.to_activity(input.activity, input.headers)
        return super().start_activity(input)

    def start_local_activity(self, input: StartLocalActivityInput) -> workflow.ActivityHandle[Any]:  # noqa: A002
        input.headers = self._run.to_activity(input.activity, input.headers)
        return super().start_local_activity(input)

    async def start_child_workflow(self, input: StartChildWorkflowInput) -> workflow.ChildWorkflowHandle[Any, Any]:  # noqa: A002
        input.headers = self._run.to_child(input.headers)
        return await super().start_child_workflow(input)
