"""`python -m tests.chaos --operations 5000 --minutes 10 --seed 1 [--no-callbacks]`: exit code 0 if all went well, 3 if
what did not go wrong was not over."""

import argparse
import asyncio
import logging
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

from temporalio.runtime import Runtime, TelemetryConfig

from tests.chaos.campaign import SETTLE_TIMEOUT, run_campaign
from tests.chaos.evidence import write_evidence
from tests.chaos.plan.kinds import FaultKind, Way
from tests.chaos.plan.plan import make_plan
from tests.chaos.report import print_outcome, print_plan
from tests.chaos.verdict import Verdict
from tests.support.places import in_memory


def main() -> int:
    """Run one campaign."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--operations", type=int, default=5000)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-callbacks", action="store_true")
    parser.add_argument("--faults", type=_faults, metavar="NAME=COUNT,...", help="these alone, or `none`")
    parser.add_argument("--types", type=lambda text: text.split(","), default=[], help="of operation, these alone")
    parser.add_argument("--ways", type=_ways, default=[], metavar="NAME,...", help="into the ledger, these alone")
    parser.add_argument(
        "--patience", type=float, default=SETTLE_TIMEOUT, help="seconds that what is wrong may only be late"
    )
    parser.add_argument(
        "--folder", type=Path, help="for data and logs; kept. Without it: a temporary one, kept on failure"
    )
    arguments = parser.parse_args()
    plan = make_plan(
        arguments.seed,
        arguments.operations,
        arguments.minutes,
        callbacks=not arguments.no_callbacks,
        faults=arguments.faults,
        types=arguments.types,
        ways=arguments.ways,
    )
    print_plan(plan)
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="opledger-chaos-", dir=in_memory()))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        parser.error(f"{folder} is not empty: another campaign's rows would be judged too")
    # What its clients warn of belongs to the logs: the ledger and Temporal are away now and then.
    logging.basicConfig(filename=folder / "clients.log")
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))
    began = time.monotonic()
    outcome = asyncio.run(run_campaign(plan, folder, arguments.patience))
    print_outcome(outcome)
    own, others = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(
        f"took {time.monotonic() - began:.0f} s; CPU: {own.ru_utime + own.ru_stime:.0f} s harness, "
        f"{others.ru_utime + others.ru_stime:.0f} s system under test"
    )
    if outcome.verdict is Verdict.PASSED and arguments.folder is None:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        write_evidence(outcome, folder / "violations.txt")
        print(f"logs and evidence: {folder}")
    return outcome.verdict.exit_code


def _faults(text: str) -> dict[FaultKind, int]:
    """From `start_lost=3,callback_forged=2`."""
    pairs = [] if text == "none" else [part.partition("=") for part in text.split(",")]
    try:
        return {FaultKind[name.upper()]: int(count) for name, _, count in pairs}
    except (KeyError, ValueError):
        names = ", ".join(kind.name.lower() for kind in FaultKind)
        raise argparse.ArgumentTypeError(f"write name=count,... of {names}") from None


def _ways(text: str) -> list[Way]:
    """From `submit,client`."""
    try:
        return [Way[name.upper()] for name in text.split(",")]
    except KeyError:
        raise argparse.ArgumentTypeError(f"write names of {', '.join(way.name.lower() for way in Way)}") from None


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # temporalio can crash while the interpreter takes itself apart
