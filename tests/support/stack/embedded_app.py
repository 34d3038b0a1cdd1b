"""The embedded application with tiny stand-ins for API and worker, as a process of its own that tests can kill.

Usage: embedded_app.py DATA_DIR|- [api-fails|no-callbacks]. Prints each event, as one JSON line, and "ready" with what
runs.
"""

import asyncio
import json
import signal
import sys
from pathlib import Path

from domain.errors import StartupError
from entrypoints.local.embedded.options import Options, Running
from entrypoints.local.embedded.supervisor import SupervisorEvent
from entrypoints.local.embedded.up import up

API = """
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        names = ("DATABASE_URL", "OPLEDGER_CALLBACK_URL", "OPLEDGER_CALLBACK_KEYS")
        self.wfile.write("\\n".join(os.environ.get(name, "") for name in names).encode())

address = os.environ["OPLEDGER_HOST"], int(os.environ["OPLEDGER_PORT"])
http.server.ThreadingHTTPServer(address, Handler).serve_forever()
"""
WORKER = "import time; time.sleep(3600)"
FAILING = "import sys; sys.exit('the stand-in fails on purpose')"


def stand_in(code: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", "-c", code)


def options(data_dir: Path | None, api: str = API, *, callbacks: bool = True) -> Options:
    return Options(
        data_dir=data_dir,
        port=None,
        api_command=stand_in(api),
        worker_command=stand_in(WORKER),
        callbacks=callbacks,
    )


def say(**values: object) -> None:
    print(json.dumps(values), flush=True)


def on_event(event: SupervisorEvent) -> None:
    say(event=event.what, part=event.part, detail=event.detail)


def on_ready(running: Running) -> None:
    say(
        event="ready",
        part="all",
        data_dir=str(running.data_dir),
        api_url=running.api_url,
        pids=running.pids,
        guards=running.supervisor.guard_pids,
    )


async def main() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    place = None if sys.argv[1] == "-" else Path(sys.argv[1])
    api = FAILING if sys.argv[2:] == ["api-fails"] else API
    try:
        await up(options(place, api, callbacks=sys.argv[2:] != ["no-callbacks"]), stop, on_event, on_ready=on_ready)
    except StartupError as error:
        say(event="failed", part="all", detail=str(error))
        sys.exit(1)


if __name__ == "__main__":
    asyncio.run(main())
