"""Converts Litestar's errors about handler arguments to errors about query parameters."""

from enum import Enum
from typing import Any, Literal, get_args, get_origin

from litestar import Request
from litestar.exceptions import ValidationException
from litestar.typing import FieldDefinition

from entrypoints.http.problems.problems import FieldError, InvalidParameter, RequestError
from entrypoints.http.requests.validation_messages import plain


def invalid_arguments(request: Request[Any, Any, Any], error: ValidationException) -> RequestError:
    """One error with every invalid query parameter."""
    fields = request.route_handler.parsed_fn_signature.parameters
    extra = error.extra if isinstance(error.extra, list) else []
    errors = [_field_error(fields, str(item.get("key", "")), str(item.get("message", ""))) for item in extra]
    return InvalidParameter.of(errors) if errors else RequestError(error.detail)


def _field_error(fields: dict[str, FieldDefinition], argument: str, message: str) -> FieldError:
    argument = argument.partition("[")[0]
    field = fields.get(argument)
    if field is None:
        return FieldError(plain(message), parameter=argument)
    choices = _choices(field.annotation)
    detail = f"must be one of {', '.join(choices)}" if choices else plain(message)
    return FieldError(detail, parameter=getattr(field.kwarg_definition, "name", None) or argument)


def _choices(annotation: Any) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    return [choice for inner in get_args(annotation) for choice in _choices(inner)]
