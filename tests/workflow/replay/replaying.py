"""Replays a recorded history on the task queue of the worker that recorded it.

A Replayer gives workflows its own task queue, and opledger's SDK decides by the task queue whether reports are local
activities. So this restores the recorded task queue.
"""

import dataclasses

from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import (
    Interceptor,
    Plugin,
    Replayer,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)


async def replay(history: WorkflowHistory, workflows: list[type], *plugins: Plugin) -> None:
    """Replays a history on its recorded task queue, in a worker with the plugins.

    Raises:
        temporalio.workflow.NondeterminismError: the commands of the workflow differ from its history.
    """
    queue = history.events[0].workflow_execution_started_event_attributes.task_queue.name
    replayer = Replayer(workflows=workflows, interceptors=[_OnTaskQueue(queue)], plugins=plugins)
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
