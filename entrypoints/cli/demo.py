"""`opledger demo`."""

import asyncio
import sys

from rich.console import Console

from entrypoints.cli.stack import migrate, prepare_temporal, tell, temporal_from_environment
from entrypoints.local.demo.run import RECONCILE_EVERY, show
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.local.embedded.options import Options
from entrypoints.local.embedded.up import running
from entrypoints.process import run_to_exit


def main() -> None:
    """Starts everything on free ports, runs the demo, and stops everything. Exits with 0 if every outcome is right."""
    run_to_exit(_demo)


async def _demo(stop: asyncio.Event) -> int:
    console = Console() if sys.stdout.isatty() else Console(width=140)
    showing = asyncio.create_task(_show(console))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([showing, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not showing.done():
        showing.cancel()
        await asyncio.wait([showing])
        return 130
    return 0 if showing.result() else 1


async def _show(console: Console) -> bool:
    temporal_from_environment()
    options = Options(
        data_dir=None,
        port=None,
        ui=True,
        env={
            "OPLEDGER_RECONCILE_EVERY": RECONCILE_EVERY,
            "OPLEDGER_OPERATIONS": str(DEMO_TYPES),
            "OPLEDGER_ACCESS": "none",
        },
    )
    console.print("starting PostgreSQL, Temporal, API and worker, with the demo's types deploy, commission and release")
    words = tell(lambda line: console.print(line, markup=False, highlight=False))
    hooks = {"migrate": migrate, "prepare_engine": prepare_temporal(ours=True)}
    async with running(options, words, **hooks) as application:
        right = await show(application, console)
    console.print(f"To look around: `make up`, then open the dashboard at http://{Options.host}:{Options.port}/.")
    console.print("`make test` runs the tests.")
    return right
