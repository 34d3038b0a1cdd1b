"""Temporal's remote codec protocol on 127.0.0.1, with faults on demand."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from google.protobuf.json_format import MessageToJson, Parse
from temporalio.api.common.v1 import Payloads

from tests.support.temporal.aes_codec import AesCodec


@dataclass
class CodecServer:
    """What it was asked, and what it answers in place of payloads."""

    url: str = ""
    codec: AesCodec = field(default_factory=AesCodec)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Path and headers of each, names in lower case."""
    statuses: list[int] = field(default_factory=list)
    """Of the next answers; then 200."""
    away: bool = False
    """Answers 503 to everything."""
    body: bytes | None = None
    """In place of the payloads."""
    silent: threading.Event | None = None
    """Waits for it before every answer."""

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body."""
        if self.silent is not None:
            self.silent.wait(30)
        status = 503 if self.away else self.statuses.pop(0) if self.statuses else 200
        if status != 200 or self.body is not None:
            return status, self.body or b"the codec server's own words"
        payloads = Parse(body, Payloads()).payloads
        try:
            made = self.codec.encrypt(payloads) if path.endswith("/encode") else self.codec.decrypt(payloads)
        except InvalidTag:
            return 400, b"invalid tag"
        return 200, MessageToJson(Payloads(payloads=made)).encode()


@contextlib.contextmanager
def codec_server() -> Iterator[CodecServer]:
    """One that runs inside the block."""
    server = CodecServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            status, answer = server.answer(self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # a client that has given up
                self.wfile.write(answer)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
