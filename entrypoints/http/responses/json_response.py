"""JSON responses."""

import json
from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.serialization import default_serializer
from litestar.types import Serializer

_T = TypeVar("_T")


def json_bytes(content: Any) -> bytes:
    """The content as JSON. Text that UTF-8 cannot encode, such as half a surrogate pair, is escaped."""
    try:
        return msgspec.json.encode(content)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(content, enc_hook=_parsed)).encode()


def _parsed(raw: Any) -> Any:
    """The value of a msgspec.Raw."""
    return json.loads(bytes(raw))


class JsonResponse(Response[_T]):
    """A response whose content is encoded by `json_bytes`."""

    def render(self, content: Any, media_type: str, enc_hook: Serializer = default_serializer) -> bytes:
        if isinstance(content, bytes) or "json" not in media_type:
            return super().render(content, media_type, enc_hook)
        return json_bytes(content)
