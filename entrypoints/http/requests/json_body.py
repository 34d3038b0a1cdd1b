"""Reading a request's body: I-JSON (RFC 7493), strictly, and never deeper or larger than is good for us."""

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
_LONGEST_INTEGER = 309
"""Digits. Longer ones are beyond what an IEEE 754 double can be about."""
_LITTLE = 64 * 1024
"""Bytes that are read in a few milliseconds."""
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")
_PATH = re.compile(r" - at `\$.*`\Z", re.DOTALL)
_MAX_ERRORS: Final = 20
READERS: Final = "body_readers"
"""Where the application's state has what reads bodies of some types, where it is not `decode`."""
_T = TypeVar("_T")


def parse_json(body: bytes) -> Any:
    """The value. Raises MalformedBody, which says what is wrong.

    Refused: what is not UTF-8 or not JSON (NaN included), repeated names, nesting beyond MAX_DEPTH, numbers beyond a
    double, and text with U+0000 or half a surrogate pair, which cannot be stored.
    """
    if not body.strip():
        raise MalformedBody("a JSON object is expected, and the body is empty")
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_float,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise MalformedBody(f"the body is not UTF-8, from byte {error.start} on") from None
    except json.JSONDecodeError as error:
        raise MalformedBody(f"the body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _too_deep() from None
    _check(value)
    return value


def decode(value: Any, into: type[_T], *, at: str = "") -> _T:
    """The value, which is at that place of the body, as a request of that type. Raises InvalidBody, which points to
    every field that is wrong."""
    try:
        return msgspec.convert(value, into)
    except msgspec.ValidationError as error:
        errors = list(itertools.islice(_field_errors(value, into, at), _MAX_ERRORS))
        raise InvalidBody(*(errors or [FieldError(plain(str(error)), pointer=at)])) from None


def _field_errors(value: Any, into: Any, at: str) -> Iterator[FieldError]:
    """msgspec stops at the first field that is wrong. So each is read by itself."""
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
    """Ours are plain values, and mappings of texts."""
    try:
        msgspec.convert(value, into)
    except msgspec.ValidationError as error:
        words = _PATH.sub("", str(error))
        texts = value.items() if isinstance(value, dict) and words != str(error) else ()
        wrong = [name for name, text in texts if not isinstance(text, str)]
        if not wrong:
            yield FieldError(plain(words), pointer=at)
        yield from (FieldError("expected a string", pointer=f"{at}/{_escaped(name)}") for name in wrong)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        repeated = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise MalformedBody(f"the name {clip_text(repr(repeated), 100)} is given twice in one object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise MalformedBody(f"JSON has no {name}")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise MalformedBody("a number is out of range: at most 1.8e308 is taken")
    return value


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > _LONGEST_INTEGER or math.isinf(float(text)):
        raise MalformedBody("a number is out of range: at most 1.8e308 is taken")
    return int(text)


def _check(value: Any) -> None:
    """Depth and texts, without recursion."""
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
    if _NO_TEXT.search(text):
        raise MalformedBody("a text holds U+0000 or half a surrogate pair, which cannot be stored")


def _too_deep() -> MalformedBody:
    return MalformedBody(f"the body is nested deeper than {MAX_DEPTH} levels")


async def aside(work: Callable[[], _T], *, size: int) -> _T:
    """Do what takes long with a body of many bytes in a thread: waits, streams and /livez go on meanwhile."""
    return await asyncio.to_thread(work) if size > _LITTLE else work()


async def read_json(request: Request[Any, Any, Any]) -> Any:
    """The body, decoded as the annotation of the handler's `data`."""
    into = request.route_handler.parsed_fn_signature.parameters["data"].annotation
    body = await request.body()
    read = request.app.state[READERS].get(into, decode)
    return await aside(lambda: read(parse_json(body), into), size=len(body))


async def check_body(request: Request[Any, Any, Any]) -> None:
    """Refuse a body that is not declared as JSON, before it is read, and one that must not be missing."""
    data = request.route_handler.parsed_fn_signature.parameters.get("data")
    if data is None:
        return
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    declared = request.headers.get("content-type")
    if coding != "identity" or (declared is not None and not _is_json(declared)):
        raise UnsupportedMediaType("the body is sent as application/json in UTF-8, without a content coding")
    body = await read_body(request, lambda: MalformedBody("the connection ended before the body did"))
    if body and declared is None:
        raise UnsupportedMediaType("the body has no Content-Type; application/json is expected")
    if not body and not data.has_default:
        raise MalformedBody("a JSON object is expected, and the body is empty")


async def read_body(request: Request[Any, Any, Any], gone: Callable[[], Exception]) -> bytes:
    """The body. Raises TooManyOpenBodies, SlowBody, MalformedBody, and `gone` when the client left before its end."""
    open_bodies: OpenBodies = request.app.state[OPEN_BODIES]
    with open_bodies.place(request.scope):
        try:
            return await request.body()
        except InternalServerException:
            raise body_error(request.scope) or gone() from None


def _is_json(content_type: str) -> bool:
    kind, parameters = media_type(content_type) or ("", [])
    charsets = {value.lower() for name, value in parameters if name == "charset"}
    return kind == "application/json" and charsets <= {"utf-8", "utf8"}
