"""TCP ports, and a plain HTTP request for readiness checks."""

import asyncio
import contextlib
import socket

from domain.errors import StartupError


def free_port(host: str = "127.0.0.1") -> int:
    """A port without a listener, which the kernel gives to no other process for a minute.

    The connection made and closed leaves the port in TIME_WAIT: an explicit bind may have it, an automatic one not.
    """
    with socket.socket(_family(host)) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, 0))
        server.listen(1)
        with socket.create_connection(server.getsockname()[:2]), server.accept()[0] as accepted:
            accepted.shutdown(socket.SHUT_WR)
        return int(server.getsockname()[1])


def ensure_free(host: str, port: int, option: str) -> None:
    """Raises StartupError naming `option` where a server could not listen on the port."""
    try:
        with socket.socket(_family(host)) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((host, port))
            server.listen(1)
    except PermissionError as error:
        raise StartupError(f"port {port} on {host} is not allowed; choose another with {option}") from error
    except OSError as error:
        raise StartupError(f"port {port} on {host} is taken; choose another with {option}") from error


def preferred(port: int, host: str = "127.0.0.1") -> int | None:
    """The port, or None where it is taken."""
    try:
        ensure_free(host, port, "")
    except StartupError:
        return None
    return port


async def http_status(host: str, port: int, target: str, seconds: float = 2.0) -> int | None:
    """The status of `GET target`; None where nothing answers within `seconds`."""
    request = f"GET {target} HTTP/1.1\r\nHost: {authority(host, port)}\r\nConnection: close\r\n\r\n"
    with contextlib.suppress(OSError, ValueError, IndexError):
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(request.encode())
                return int((await reader.readline()).split()[1])
            finally:
                writer.close()
    return None


def authority(host: str, port: int) -> str:
    """Host and port as a URL has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def connectable(host: str) -> str:
    """The address at which a server that listens on `host` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
