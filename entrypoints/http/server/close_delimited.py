"""Responses to HTTP/1.0 clients, which cannot read chunked bodies: the end of the connection ends the body."""

from typing import Any

from litestar.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


def close_delimited(app: ASGIApp, cycle: RequestResponseCycle) -> ASGIApp:
    """The application for one request, which sends a body without Content-Length unchunked. uvicorn would chunk it."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        plain = False

        async def send_plain(message: Any) -> None:
            nonlocal plain
            if message["type"] == "http.response.start":
                plain = all(name.lower() != b"content-length" for name, _ in message["headers"])
                if plain:
                    cycle.chunked_encoding = False
            elif plain and message.get("body"):
                if cycle.flow.write_paused and not cycle.disconnected:
                    await cycle.flow.drain()
                if not cycle.disconnected and scope["method"] != "HEAD":  # type: ignore[typeddict-item]
                    cycle.transport.write(message["body"])
                message = {**message, "body": b""}
            await send(message)

        await app(scope, receive, send_plain)

    return run
