"""Replay a recorded history as the worker that recorded it would.

A replayer tells workflows a task queue of its own instead of the recorded one, and the SDK decides by the task queue
whether its reports are local activities. So the recorded task queue has to be put back.
"""

import dataclasses

from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import (
    Interceptor,
    Replayer,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)


async def replay(history: WorkflowHistory, workflows: list[type]) -> None:
    """Replay a history on the task queue that it was recorded on.

    Raises:
        temporalio.workflow.NondeterminismError: the workflow does other things than its history.
    """
    queue = history.events[0].workflow_execution_started_event_attributes.task_queue.name
    replayer = Replayer(workflows=workflows, interceptors=[_OnTaskQueue(queue)])
    await replayer.replay_workflow(history)


class _OnTaskQueue(Interceptor):
    def __init__(self, queue: str) -> None:
        self._queue = queue

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002
        queue = self._queue

        class Outbound(WorkflowOutboundInterceptor):
            def info(self) -> workflow.Info:
                return dataclasses.replace(super().info(), task_queue=queue)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

        return Inbound
