"""What a seeded bug is: a few lines of the project changed, the promise that this breaks, and what has to see it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Hunk:
    """A change of one place in one file."""

    path: str
    old: str
    """Stands in the file exactly once."""
    new: str


@dataclass(frozen=True)
class Simulation:
    """The stateful simulation, until it has found something or done all examples."""

    examples: int = 1200
    steps: int = 60
    seed: int = 1
    machine: str = "ledger"
    """Name of the machine in `tests.seeded_bugs.simulate`."""

    def __str__(self) -> str:
        return "simulation"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of `python -m`."""
        numbers = ("--examples", self.examples, "--steps", self.steps, "--seed", self.seed, "--machine", self.machine)
        return ("tests.seeded_bugs.simulate", *map(str, numbers))


@dataclass(frozen=True)
class Campaign:
    """The fault campaign on real processes, with these faults alone."""

    operations: int
    minutes: float
    seed: int
    callbacks: bool
    faults: Mapping[str, int] = field(hash=False)
    types: tuple[str, ...] = ()
    """Of operation, these alone."""
    ways: tuple[str, ...] = ("submit",)
    """Into the ledger, these alone."""

    def __str__(self) -> str:
        return "campaign"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of `python -m`."""
        faults = ",".join(f"{name}={count}" for name, count in self.faults.items()) or "none"
        numbers = ("--operations", self.operations, "--minutes", self.minutes, "--seed", self.seed)
        callbacks = () if self.callbacks else ("--no-callbacks",)
        types = ("--types", ",".join(self.types)) if self.types else ()
        chosen = ("--faults", faults, "--patience", str(SETTLE_TIMEOUT), "--ways", ",".join(self.ways))
        return ("tests.chaos", *map(str, numbers), *chosen, *callbacks, *types)


Detector = Simulation | Campaign
SETTLE_TIMEOUT = 20
"""Seconds that a campaign waits for what may only be late: nothing is down for long in these."""


@dataclass(frozen=True)
class Bug:
    """One mistake."""

    name: str
    breaks: str
    """Which promise, and how."""
    detector: Detector
    hunks: tuple[Hunk, ...]


SIMULATION = Simulation()
NAMED = Simulation(machine="workflow-ids")
"""Operations that share workflow ids."""
ADOPTED = Simulation(machine="adoption")
"""Executions that others start."""
BULK = Simulation(machine="bulk", examples=500, steps=40)
"""Bulk actions of two tenants."""
PUSHED = Campaign(100, 0.25, 7, callbacks=True, faults={"callback_early": 2, "callback_forged": 2})
"""Nothing fails but what the workload itself does; Temporal calls back."""
SIGNALLED = Campaign(80, 0.25, 7, callbacks=True, faults={}, types=("sleep", "delayed"))
"""Clients send signals while workflows close."""
ASKED = Campaign(100, 0.25, 7, callbacks=False, faults={})
"""The same, without callbacks."""
UNHEARD = Campaign(*(120, 0.4, 7), callbacks=False, faults={"start_lost": 10}, types=("untracked", "untracked-failure"))
"""No evidence of the start arrives: answers get lost, and the work has no decorator."""
CONTESTED = Campaign(
    *(60, 0.4, 7), callbacks=True, faults={}, types=("named-reject", "foreign-one"), ways=("submit", "foreign")
)
"""Executions of others have the workflow ids of operations."""
SELECTED = Campaign(20, 0.3, 7, callbacks=True, faults={}, ways=("query", "passed_over"))
"""The query of a watch rule selects some executions of its workflow type."""
FAMILIES = Campaign(20, 0.3, 7, callbacks=True, faults={}, types=("plugged",))
"""The workflows of operations start children, which report."""
