"""JSON responses."""

from typing import Any, TypeVar

from litestar import Response
from litestar.serialization import default_serializer
from litestar.types import Serializer

from entrypoints.response_bodies import json_bytes

_T = TypeVar("_T")


class JsonResponse(Response[_T]):
    """A response whose content is encoded by `json_bytes`."""

    def render(self, content: Any, media_type: str, enc_hook: Serializer = default_serializer) -> bytes:
        if isinstance(content, bytes) or "json" not in media_type:
            return super().render(content, media_type, enc_hook)
        return json_bytes(content)
