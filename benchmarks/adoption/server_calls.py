"""Counts all requests to Temporal."""

import asyncio
import re
from collections import Counter
from http.client import HTTPConnection, HTTPException
from typing import Final

import psutil

UPDATED_EVERY: Final = 1.2
"""Seconds after which the counters include every answered request: the server's interval of 1 s, and a margin."""
DESCRIBE: Final = "DescribeWorkflowExecution"
READ: Final = "GetWorkflowExecutionHistory"
START: Final = "StartWorkflowExecution"
"""Also attaches callbacks."""
_REQUESTS: Final = re.compile(
    r'^service_requests\{namespace="default",operation="(\w+)",service_name="frontend"\} (\S+)$', re.MULTILINE
)

_IDLE: Final = re.compile("Poll|Heartbeat")


class ServerCalls:
    """Reads the metrics of the embedded server of this process."""

    def __init__(self) -> None:
        """Raises RuntimeError: no server of this process serves metrics."""
        ports = [
            address.laddr.port
            for process in psutil.Process().children(recursive=True)
            if process.name() == "temporal"
            for address in process.net_connections("tcp")
            if address.status == psutil.CONN_LISTEN
        ]
        found = next((port for port in ports if "service_requests" in _page(port)), None)
        if found is None:
            raise RuntimeError("no embedded server of this process serves metrics")
        self._port = found

    async def so_far(self) -> Counter[str]:
        """Returns the number of requests by operation, without polls and heartbeats of workers."""
        await asyncio.sleep(UPDATED_EVERY)
        page = await asyncio.to_thread(_page, self._port)
        return Counter(
            {
                operation: int(float(number))
                for operation, number in _REQUESTS.findall(page)
                if not _IDLE.search(operation)
            }
        )


def _page(port: int) -> str:
    """Returns the metrics page; empty if the port has another protocol."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        return connection.getresponse().read().decode(errors="replace")
    except (OSError, HTTPException):
        return ""
    finally:
        connection.close()
