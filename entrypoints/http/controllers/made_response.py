"""The response to a request that has made an operation."""

from application.ports.storage.operation_view import OperationView
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.parameters import PATH, PREFIX
from entrypoints.http.responses.json_response import JsonResponse
from entrypoints.http.responses.operation_response import operation_response
from entrypoints.http.security.forwarded import base_path
from entrypoints.response_bodies import OperationBody


def made_response(
    request: ApiRequest, operation: OperationView, status: int, *, replayed: bool = False
) -> JsonResponse[OperationBody]:
    """The operation, with its URL. `replayed`: an earlier request made it."""
    headers = {"Location": f"{base_path(request.scope)}{PREFIX}{PATH}/{operation.id}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    return operation_response(operation, status, headers)
