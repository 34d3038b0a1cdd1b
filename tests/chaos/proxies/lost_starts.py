"""Loses the answer to a StartWorkflowExecution: the server has taken it, and the one who asked never learns it."""

from collections.abc import Iterator

from tests.chaos.proxies.huffman import encoded
from tests.chaos.proxies.tcp_proxy import Watch

START = encoded("/temporal.api.workflowservice.v1.WorkflowService/StartWorkflowExecution")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS = 1


class LostStarts:
    """How many answers are still to be lost, how many were, and how many starts were seen at all."""

    def __init__(self) -> None:
        self.armed = 0
        self.lost = 0
        self.seen = 0

    def watch(self) -> Watch:
        """For a new connection."""
        return _Connection(self)


class Frames:
    """Cuts one direction of an HTTP/2 connection into its frames."""

    def __init__(self, preface: bytes = b"") -> None:
        self._buffer = b""
        self._skip = len(preface)

    def read(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Type, stream and content of every frame that has become whole."""
        self._buffer += data
        if self._skip:
            skipped = min(self._skip, len(self._buffer))
            self._buffer, self._skip = self._buffer[skipped:], self._skip - skipped
        while len(self._buffer) >= 9:
            end = 9 + int.from_bytes(self._buffer[:3], "big")
            if len(self._buffer) < end:
                return
            frame, self._buffer = self._buffer[:end], self._buffer[end:]
            yield frame[3], int.from_bytes(frame[5:9], "big") & 0x7FFFFFFF, frame[9:]


class _Connection(Watch):
    def __init__(self, starts: LostStarts) -> None:
        self._starts = starts
        self._requests = Frames(PREFACE)
        self._replies = Frames()
        self._losing: set[int] = set()

    def request(self, data: bytes) -> None:
        for kind, stream, content in self._requests.read(data):
            if kind == HEADERS and START in content:
                self._starts.seen += 1
                if self._starts.armed:
                    self._starts.armed -= 1
                    self._losing.add(stream)

    def swallow(self, data: bytes) -> bool:
        lost = [stream for _, stream, _ in self._replies.read(data) if stream in self._losing]
        if lost:
            self._starts.lost += 1
        return bool(lost)
