"""How fast it runs: `python -m tests.simulation --examples 300 --steps 80 --seed 1`."""

import argparse
import gc
import logging
import time

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.simulation.machines import MACHINES


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--machine", choices=MACHINES, default="ledger")
    parser.add_argument("--shrink", action="store_true", help="make what is found as small as it gets; takes minutes")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    gc.freeze()  # the collector walks what a run leaves behind, not all modules: a tenth of the time
    machine = MACHINES[options.machine]
    seeded = machine if options.seed is None else seed(options.seed)(machine)
    chosen = settings(
        max_examples=options.examples,
        stateful_step_count=options.steps,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink] if options.shrink else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    begun, worked = time.perf_counter(), time.process_time()
    run_state_machine_as_test(seeded, settings=chosen)
    took, busy = time.perf_counter() - begun, time.process_time() - worked
    print(
        f"{options.examples} examples, {machine.steps} steps in {took:.1f} s: {machine.steps / took:.0f} steps/s, "
        f"{machine.steps / busy:.0f} a second of processor time"
    )


if __name__ == "__main__":
    main()
