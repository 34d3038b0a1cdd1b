"""One run of the simulation that ends with its first violation, in a line: exit code 0, or 1 with `VIOLATION ...`."""

import argparse
import gc
import logging
import sys
import traceback
from pathlib import Path

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.machines import MACHINES

OWN = str(Path(__file__).parents[1])


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser()
    for name in ("examples", "steps", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--machine", choices=MACHINES, required=True)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    gc.freeze()  # as in the simulation's own command
    chosen = settings(
        max_examples=options.examples,
        stateful_step_count=options.steps,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(options.seed)(MACHINES[options.machine]), settings=chosen)
    except Exception as error:  # noqa: BLE001 -- any is a violation
        traceback.print_exc()
        sys.stderr.flush()
        print(f"VIOLATION {_in_words(error)}")
        return 1
    print("PASSED")
    return 0


def _in_words(error: Exception) -> str:
    """Which rule it was, and what it said: the innermost place in the tests, and the error."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(OWN)]
    asserted = frames and frames[-1].line is not None and frames[-1].line.startswith("assert")
    place = f"{frames[-1].name}: {frames[-1].line if asserted else ''}" if frames else "?"
    said = str(error).splitlines()
    return " ".join([place, f"({type(error).__name__}{': ' + said[0] if said else ''})"])


if __name__ == "__main__":
    sys.exit(main())
