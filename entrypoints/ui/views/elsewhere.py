"""How to reach an operation from elsewhere: Temporal's web page, curl, and the command line."""

from urllib.parse import quote

from application.ports.storage.operation_view import OperationView
from entrypoints.ui.request import UiRequest


def temporal_url(request: UiRequest, operation: OperationView) -> str | None:
    """The page of the workflow in Temporal's web page; None if it is not configured."""
    temporal = request.parts.temporal
    if temporal.ui_url is None:
        return None
    namespace, workflow_id = quote(temporal.namespace, safe=""), quote(operation.workflow_id, safe="")
    return f"{temporal.ui_url.rstrip('/')}/namespaces/{namespace}/workflows/{workflow_id}"


def commands(request: UiRequest, operation: OperationView) -> list[tuple[str, str]]:
    """Names and texts of commands that show the operation. They read the key from the environment."""
    url = f"{request.public_base}/v1/operations/{operation.id}"
    header = ' -H "Authorization: Bearer $OPLEDGER_API_KEY"' if request.access.controlled else ""
    return [("curl", f"curl{header} {url}"), ("CLI", f"opledger get {operation.id}")]
