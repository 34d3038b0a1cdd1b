"""Converts Litestar's errors about handler arguments to errors about query parameters."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, Literal, get_args, get_origin

from litestar import Request
from litestar.exceptions import ValidationException
from litestar.typing import FieldDefinition

from entrypoints.http.problems.problems import FieldError, InvalidParameter, RequestError
from entrypoints.http.requests.query_params import arguments
from entrypoints.http.requests.validation_messages import plain

_MISSING: Final = re.compile(r"Missing required query parameter '(\w+)'")
_TOO_MANY: Final = re.compile(r"Expected `array` of length <= (\d+)")


def invalid_arguments(request: Request[Any, Any, Any], error: ValidationException) -> RequestError:
    """One error with every invalid query parameter."""
    missing = _MISSING.match(error.detail)
    if missing:
        return InvalidParameter(missing[1], "required")
    fields = arguments(request.route_handler)
    extra = error.extra if isinstance(error.extra, list) else []
    errors = [_field_error(fields, str(item.get("key", "")), str(item.get("message", ""))) for item in extra]
    return InvalidParameter.of(errors) if errors else RequestError(error.detail)


def _field_error(fields: Mapping[str, FieldDefinition], argument: str, message: str) -> FieldError:
    argument = argument.partition("[")[0]
    field = fields.get(argument)
    if field is None:
        return FieldError(plain(message), parameter=argument)
    too_many = _TOO_MANY.search(message)
    choices = _choices(field.annotation)
    if too_many:
        detail = f"must have at most {too_many[1]} values"
    else:
        detail = f"must be one of {', '.join(choices)}" if choices else plain(message)
    return FieldError(detail, parameter=getattr(field.kwarg_definition, "name", None) or argument)


def _choices(annotation: Any) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    return [choice for inner in get_args(annotation) for choice in _choices(inner)]
