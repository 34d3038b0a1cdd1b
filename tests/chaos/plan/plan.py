"""What a campaign does, and when: a function of seed, size, length and callbacks alone."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from random import Random

from tests.chaos.plan.acknowledgement import Acknowledgement, acknowledgements
from tests.chaos.plan.crowd import Crowd, crowds
from tests.chaos.plan.kinds import CALLBACKS_IN_TEN_MINUTES, IN_TEN_MINUTES, FaultKind, Way
from tests.chaos.plan.workload import Work, workload

FIRST, LAST = 0.04, 0.93
"""The part of the load's time in which faults begin."""
WAITING = (FaultKind.START_LOST, FaultKind.COMMIT_LOST_API, FaultKind.COMMIT_LOST_WORKER)
LAST_THAT_WAIT = 0.8
"""Some wait for the next start or commit: one must still come."""


@dataclass(frozen=True)
class Fault:
    """One fault: when it begins, of which of the processes, how long it lasts, and a number for what else it needs."""

    at: float
    kind: FaultKind
    target: int
    seconds: float
    number: int


@dataclass(frozen=True)
class Plan:
    """The whole campaign."""

    seed: int
    operations: int
    minutes: float
    callbacks: bool
    faults: tuple[Fault, ...]
    work: tuple[Work, ...]
    crowds: tuple[Crowd, ...] = ()
    acknowledgements: tuple[Acknowledgement, ...] = ()

    @property
    def planned(self) -> Counter[FaultKind]:
        """How many faults of each class."""
        return Counter(fault.kind for fault in self.faults)


def make_plan(
    seed: int,
    operations: int,
    minutes: float,
    *,
    callbacks: bool,
    faults: Mapping[FaultKind, int] | None = None,
    types: Collection[str] = (),
    ways: Collection[Way] = (),
) -> Plan:
    """The same plan for the same arguments. `faults`: these alone, so many of each; else all, in proportion. `types`
    and `ways`: of operation, else all; bulk actions with all types, if clients submit."""
    dice = Random(f"{seed}/{operations}/{minutes:g}/{callbacks}")
    seconds = minutes * 60
    kinds = IN_TEN_MINUTES | (CALLBACKS_IN_TEN_MINUTES if callbacks else {})
    counts = {kind: max(1, round(in_ten * minutes / 10)) for kind, in_ten in kinds.items()}
    if faults is not None:
        counts = dict(faults)
    found = [_fault(dice, kind, number, count, seconds) for kind, count in counts.items() for number in range(count)]
    work = workload(dice, operations, seconds, types, ways)
    by_time = tuple(sorted(found, key=lambda fault: fault.at))
    chosen = types or (ways and Way.SUBMIT not in ways)
    many = () if chosen else crowds(Random(f"crowds {seed}/{minutes:g}"), minutes)
    known = () if chosen else acknowledgements(Random(f"acknowledgements {seed}/{minutes:g}"), minutes)
    return Plan(seed, operations, minutes, callbacks, by_time, work, many, known)


def _fault(dice: Random, kind: FaultKind, number: int, count: int, seconds: float) -> Fault:
    share = (number + dice.random()) / count  # every class over the whole time, not in a heap
    if kind is FaultKind.RECEIVER_DOWN:  # the server then keeps callbacks back for a minute: late in its part
        share = (number + 0.9) / count
    last = LAST_THAT_WAIT if kind in WAITING else LAST
    at = seconds * (FIRST + (last - FIRST) * share)
    return Fault(round(at, 2), kind, dice.randrange(2), round(_lasting(dice, kind), 2), dice.getrandbits(32))


def _lasting(dice: Random, kind: FaultKind) -> float:
    match kind:
        case FaultKind.PAUSE_API | FaultKind.PAUSE_WORKER:
            return dice.uniform(5, 15)
        case FaultKind.RECEIVER_DOWN:
            return dice.uniform(3, 8)
        case FaultKind.ENGINE_CUT | FaultKind.ENGINE_MUTED:
            return dice.uniform(1, 6)
        case FaultKind.CALLBACK_SLOW:
            return dice.uniform(2, 12)
        case FaultKind.CALLBACK_LATE:
            return dice.uniform(2, 15)
        case _:
            return dice.uniform(0, 3)
