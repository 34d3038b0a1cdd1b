"""Parses and checks query parameters."""

import re
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qsl

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.params import ParameterKwarg, QueryParameter
from litestar.typing import FieldDefinition

from domain.errors import InvalidInput
from domain.operation.start.labels import MAX_LABELS, check_labels
from entrypoints.http.problems.problems import InvalidParameter

LABEL_PREFIX: Final = "label."
_MAX_PARAMETERS = 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(?P<zone>Z|[+-]\d\d:\d\d)?", re.ASCII)


def check_query(request: Request[Any, Any, Any]) -> None:
    """Raises InvalidParameter for an unknown parameter, a repeated one, and one that is not UTF-8 text."""
    if not request.scope["query_string"]:
        return
    known = _parameters(request.route_handler)
    seen = set()
    for name, value in query_pairs(request):
        parameter = known(name)
        if parameter is None:
            raise InvalidParameter(name, "unknown parameter")
        if _CONTROL.search(name + value):
            raise InvalidParameter(name, "must not contain control characters")
        if name in seen and not parameter.repeatable:
            raise InvalidParameter(name, "must not be repeated")
        if value.lower() == "null" and not parameter.text:  # msgspec would convert it to None, as if absent
            raise InvalidParameter(name, "must not be null")
        seen.add(name)


def arguments(handler: HTTPRouteHandler) -> Mapping[str, FieldDefinition]:
    """The arguments of the handler and of what its dependencies are made from, by name."""
    own = handler.parsed_fn_signature.parameters
    providers = handler.resolve_dependencies()
    needed = (providers[name].parsed_fn_signature.parameters for name in own if name in providers)
    return dict(ChainMap(dict(own), *(dict(each) for each in needed)))


def label_filters(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The `label.KEY=VALUE` filters of the query. Raises InvalidParameter for an invalid label, and for more labels
    than an operation can have."""
    labels = {
        name.removeprefix(LABEL_PREFIX): value for name, value in query_pairs(request) if name.startswith(LABEL_PREFIX)
    }
    for key, value in labels.items():
        try:
            check_labels({key: value})
        except InvalidInput as error:
            raise InvalidParameter(LABEL_PREFIX + key, str(error)) from None
    for key in list(labels)[MAX_LABELS:]:
        raise InvalidParameter(LABEL_PREFIX + key, f"too many label filters; the maximum is {MAX_LABELS}")
    return labels


def instant(name: str, text: str | None) -> datetime | None:
    """Parses an RFC 3339 time to UTC. Raises InvalidParameter, also for a time without an offset."""
    if text is None:
        return None
    match = _INSTANT.fullmatch(text.upper())
    if match is None:
        hint = "; encode + as %2B in a query" if " " in text else ""
        raise InvalidParameter(name, f"must be an RFC 3339 time such as 2026-01-31T12:00:00Z{hint}")
    if match["zone"] is None:
        raise InvalidParameter(name, "has no UTC offset; append Z or an offset such as %2B02:00")
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidParameter(name, "is not a valid date and time") from None


@dataclass(frozen=True, slots=True)
class _Parameter:
    """What a query parameter accepts."""

    repeatable: bool
    text: bool
    """Whether any text is valid."""


_LABEL = _Parameter(repeatable=False, text=True)


@lru_cache(maxsize=256)
def _parameters(handler: HTTPRouteHandler) -> Callable[[str], _Parameter | None]:
    """Looks up a query parameter of the handler by name; None: the handler does not have it."""
    fields: Mapping[str, _Parameter] = {
        field.kwarg_definition.name or name: _Parameter(
            repeatable=field.is_non_string_sequence or bool(field.is_optional and _lists(field)),
            text=any(inner.annotation is str for inner in _inner(field)),
        )
        for name, field in arguments(handler).items()
        if isinstance(field.kwarg_definition, ParameterKwarg) and isinstance(field.kwarg_definition, QueryParameter)
    }
    takes_labels = bool(handler.opt.get("label_filters"))

    def known(name: str) -> _Parameter | None:
        return _LABEL if takes_labels and name.startswith(LABEL_PREFIX) else fields.get(name)

    return known


def _inner(field: Any) -> list[Any]:
    """Returns the type of the field and those that it is made of, at any depth."""
    return [field, *(inner for each in field.inner_types for inner in _inner(each))]


def _lists(field: Any) -> bool:
    return any(inner.is_non_string_sequence for inner in field.inner_types)


def query_pairs(request: Request[Any, Any, Any]) -> list[tuple[str, str]]:
    """The parameters in their order. Raises InvalidParameter: they are not UTF-8 text, or too many."""
    raw: bytes = request.scope["query_string"]
    try:
        return parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS, separator="&"
        )
    except UnicodeError:
        raise InvalidParameter("query", "must be percent-encoded UTF-8") from None
    except ValueError:
        raise InvalidParameter("query", f"has more than {_MAX_PARAMETERS} parameters") from None
