"""Counts the requests to Temporal."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from temporalio.client import Client

_NAMES = (
    "describe_workflow_execution",
    "get_workflow_execution_history",
    "get_workflow_execution_history_reverse",
    "list_workflow_executions",
)


def counted(client: Client) -> Counter[str]:
    """Counts the requests about executions over this client, by name, from now on."""
    calls: Counter[str] = Counter()
    service = client.workflow_service
    for name in _NAMES:
        setattr(service, name, _counting(name, getattr(service, name), calls))
    return calls


def _counting(name: str, call: Callable[..., Awaitable[Any]], calls: Counter[str]) -> Callable[..., Awaitable[Any]]:
    async def counted_call(*arguments: Any, **options: Any) -> Any:
        calls[name] += 1
        return await call(*arguments, **options)

    return counted_call
