"""Parses JSON bodies as strict I-JSON (RFC 7493), with limits on depth and size."""

import asyncio
import itertools
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn, TypeVar

import msgspec
from litestar import Request
from litestar.exceptions import InternalServerException

from entrypoints.http.problems.problems import FieldError, InvalidBody, MalformedBody, UnsupportedMediaType, clip_text
from entrypoints.http.requests.headers import media_type
from entrypoints.http.requests.open_bodies import OPEN_BODIES, OpenBodies
from entrypoints.http.requests.validation_messages import plain
from entrypoints.http.server.request_body import body_error

MAX_DEPTH: Final = 64
_MAX_DIGITS: Final = 309
"""Digits of an integer. Longer integers exceed an IEEE 754 double."""
_SMALL_BODY: Final = 64 * 1024
"""Bytes that are parsed within a few milliseconds."""
_INVALID_TEXT = re.compile("[\x00\ud800-\udfff]")
_PATH = re.compile(r" - at `\$.*`\Z", re.DOTALL)
_MAX_ERRORS: Final = 20
DECODERS: Final = "body_decoders"
"""Key of the application's state: decoders by type of body, for types that `decode` does not decode."""
_T = TypeVar("_T")


def parse_json(body: bytes) -> Any:
    """The parsed value. Raises MalformedBody, which names the cause.

    Refuses invalid UTF-8, invalid JSON (including NaN), repeated names, nesting beyond MAX_DEPTH, numbers beyond a
    double, and text that PostgreSQL cannot store: U+0000 or half a surrogate pair.
    """
    if not body.strip():
        raise MalformedBody("the body is empty; send a JSON object")
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise MalformedBody(f"the body is not valid UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise MalformedBody(
            f"the body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise _too_deep() from None
    _check(value)
    return value


def decode(value: Any, into: type[_T], *, at: str = "") -> _T:
    """Converts a value to a request body. `at` is its JSON Pointer. Raises InvalidBody with every invalid field."""
    try:
        return msgspec.convert(value, into)
    except msgspec.ValidationError as error:
        errors = list(itertools.islice(_field_errors(value, into, at), _MAX_ERRORS))
        raise InvalidBody(*(errors or [FieldError(plain(str(error)), pointer=at)])) from None


def _field_errors(value: Any, into: Any, at: str) -> Iterator[FieldError]:
    """Checks field by field, because msgspec stops at the first invalid field."""
    body = getattr(into, "__origin__", into)
    if not isinstance(value, dict) or not (isinstance(body, type) and issubclass(body, msgspec.Struct)):
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(body)}
    for name, field in fields.items():
        pointer = f"{at}/{_escaped(name)}"
        if name in value:
            yield from _value_errors(value[name], field.type, pointer)
        elif field.required:
            yield FieldError("is required", pointer=pointer)
    yield from (
        FieldError("is not a known field", pointer=f"{at}/{_escaped(name)}") for name in value if name not in fields
    )


def _value_errors(value: Any, into: Any, at: str) -> Iterator[FieldError]:
    """Covers the types of our bodies: plain values, mappings of strings, and objects within them."""
    try:
        msgspec.convert(value, into)
    except msgspec.ValidationError as error:
        inner = list(_field_errors(value, into, at))
        if inner:
            yield from inner
            return
        message = _PATH.sub("", str(error))
        texts = value.items() if isinstance(value, dict) and message != str(error) else ()
        wrong = [name for name, text in texts if not isinstance(text, str)]
        if not wrong:
            yield FieldError(plain(message), pointer=at)
        yield from (FieldError("expected a string", pointer=f"{at}/{_escaped(name)}") for name in wrong)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        repeated = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise MalformedBody(f"the name {clip_text(repr(repeated), 100)} occurs twice in one object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise MalformedBody(f"{name} is not valid JSON")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise MalformedBody("a number is out of range; the maximum is 1.8e308")
    return value


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > _MAX_DIGITS or math.isinf(float(text)):
        raise MalformedBody("a number is out of range; the maximum is 1.8e308")
    return int(text)


def _check(value: Any) -> None:
    """Checks depth and text, without recursion."""
    level = [value]
    depth = 0
    while level:
        inner: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, dict):
                inner += item.keys()
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        depth += any(isinstance(item, dict | list) for item in level)
        if depth > MAX_DEPTH:
            raise _too_deep()
        level = inner


def _check_text(text: str) -> None:
    if _INVALID_TEXT.search(text):
        raise MalformedBody("a string contains U+0000 or half a surrogate pair")


def _too_deep() -> MalformedBody:
    return MalformedBody(f"the body is nested deeper than {MAX_DEPTH} levels")


async def in_thread_if_large(work: Callable[[], _T], *, size: int) -> _T:
    """Runs the work on a large body in a thread, so that it does not block the event loop. `size` in bytes."""
    return await asyncio.to_thread(work) if size > _SMALL_BODY else work()


async def read_json(request: Request[Any, Any, Any]) -> Any:
    """The body, decoded as the annotation of the handler's `data`."""
    into = request.route_handler.parsed_fn_signature.parameters["data"].annotation
    body = await request.body()
    decoder = request.app.state[DECODERS].get(into, decode)
    return await in_thread_if_large(lambda: decoder(parse_json(body), into), size=len(body))


async def check_body(request: Request[Any, Any, Any]) -> None:
    """Refuses a body that is not declared as JSON, before reading it, and a missing body where one is required."""
    data = request.route_handler.parsed_fn_signature.parameters.get("data")
    if data is None:
        return
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    declared = request.headers.get("content-type")
    if coding != "identity" or (declared is not None and not _is_json(declared)):
        raise UnsupportedMediaType("send the body as application/json in UTF-8, without Content-Encoding")
    body = await read_body(request, lambda: MalformedBody("the connection closed before the end of the body"))
    if body and declared is None:
        raise UnsupportedMediaType("the header Content-Type is missing; send application/json")
    if not body and not data.has_default:
        raise MalformedBody("the body is empty; send a JSON object")


async def read_body(request: Request[Any, Any, Any], gone: Callable[[], Exception]) -> bytes:
    """The body. Raises TooManyOpenBodies, SlowBody, MalformedBody, and `gone()` if the client disconnects before its
    end."""
    open_bodies: OpenBodies = request.app.state[OPEN_BODIES]
    with open_bodies.counted(request.scope):
        try:
            return await request.body()
        except InternalServerException:
            raise body_error(request.scope) or gone() from None


def _is_json(content_type: str) -> bool:
    kind, parameters = media_type(content_type) or ("", [])
    charsets = {value.lower() for name, value in parameters if name == "charset"}
    return kind == "application/json" and charsets <= {"utf-8", "utf8"}
