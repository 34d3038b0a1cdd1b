"""The operation of a workflow handle."""

from collections import OrderedDict
from typing import Any

MAX_RUNS = 10_000
_ATTRIBUTE = "__opledger_operation_id"
_by_run: OrderedDict[str, str] = OrderedDict()


def operation_id(handle: Any) -> str | None:
    """The operation's id of a workflow that was started by a client with `OpledgerPlugin(url=...)`.

    Args:
        handle: The handle that `start_workflow`, `start_update_with_start_workflow` or
            `WithStartWorkflowOperation.workflow_handle` returned. Handles of the last kind are known for the last
            10,000 starts.

    Returns:
        The id; None if the plugin does not track the workflow, or if the start joined an execution that ran already and
        the ledger has not named its operation: it does not answer, or the API key may not see the operation. None also
        for the handle of an update that reached a later run than the one that the start named.
    """
    if hasattr(handle, _ATTRIBUTE):
        found: str | None = getattr(handle, _ATTRIBUTE)
        return found
    return _by_run.get(getattr(handle, "result_run_id", None) or "")


def remember_handle(handle: Any, operation: str | None) -> None:
    """Notes the operation of a handle; None: it is not known, although another handle of the run may have one."""
    setattr(handle, _ATTRIBUTE, operation)


def remember_run(run_id: str, operation: str) -> None:
    """Notes the operation of a run whose handle the interceptor does not see: that of an update-with-start."""
    _by_run[run_id] = operation
    while len(_by_run) > MAX_RUNS:
        _by_run.popitem(last=False)
