"""Ports for the servers of tests."""

import socket
from random import SystemRandom

_BELOW = 32_768
"""Where Linux begins to number outgoing connections. One of those may take a port from there before a server does."""
_random = SystemRandom()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing uses, and no outgoing connection will."""
    while True:
        port = _random.randrange(15_000, _BELOW)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
