"""What Litestar says of a handler's arguments, in words for the client, who knows them by other names."""

from enum import Enum
from typing import Any, Literal, get_args, get_origin

from litestar import Request
from litestar.exceptions import ValidationException
from litestar.typing import FieldDefinition

from entrypoints.http.problems.problems import FieldError, InvalidParameter, RequestError
from entrypoints.http.requests.validation_messages import plain


def wrong_arguments(request: Request[Any, Any, Any], error: ValidationException) -> RequestError:
    """The error, with every query parameter that is wrong."""
    fields = request.route_handler.parsed_fn_signature.parameters
    extra = error.extra if isinstance(error.extra, list) else []
    errors = [_wrong(fields, str(item.get("key", "")), str(item.get("message", ""))) for item in extra]
    return InvalidParameter.of(errors) if errors else RequestError(error.detail)


def _wrong(fields: dict[str, FieldDefinition], argument: str, message: str) -> FieldError:
    argument = argument.partition("[")[0]
    field = fields.get(argument)
    if field is None:
        return FieldError(plain(message), parameter=argument)
    choices = _choices(field.annotation)
    detail = f"it is one of {', '.join(choices)}" if choices else plain(message)
    return FieldError(detail, parameter=getattr(field.kwarg_definition, "name", None) or argument)


def _choices(annotation: Any) -> list[str]:
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(member.value) for member in annotation]
    if get_origin(annotation) is Literal:
        return [str(choice) for choice in get_args(annotation)]
    return [choice for inner in get_args(annotation) for choice in _choices(inner)]
