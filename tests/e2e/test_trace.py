"""A client's trace goes on in the workflow that its request starts, and in the workflow's activities."""

from datetime import timedelta

from opentelemetry import trace
from temporalio import activity, workflow
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from opledger import track_operation_status
from tests.support.stack.commands import Stack

TRACE = "0af7651916cd43dd8448eb211c80319c"


def current_trace() -> str:
    """Its id."""
    return format(trace.get_current_span().get_span_context().trace_id, "032x")


@activity.defn
async def look() -> str:
    """What an activity belongs to."""
    return current_trace()


@workflow.defn(name="Traced")
class Traced:
    """Says which trace it belongs to, and its activity."""

    @workflow.run
    @track_operation_status
    async def run(self) -> list[str]:
        return [current_trace(), await workflow.execute_activity(look, start_to_close_timeout=timedelta(seconds=30))]


async def test_from_http_into_workflow_and_activity(stack: Stack) -> None:
    """With the interceptor that Temporal's SDK has for OpenTelemetry, and nothing of ours in the worker."""
    worker = Worker(
        await stack.temporal(),
        task_queue="traced",
        workflows=[Traced],
        activities=[look],
        workflow_runner=UnsandboxedWorkflowRunner(),
        interceptors=[TracingInterceptor()],
    )
    async with worker:
        headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "tracestate": "vendor=1"}
        answer = await stack.ledger.http.post("/v1/operations", json={"type": "traced"}, headers=headers)
        [shown] = await stack.ledger.until_done(answer.json()["id"])
    assert shown["result"] == [TRACE, TRACE]
