"""The result of one step of a loop of the worker."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepResult:
    """Tells the loop when to take the next step: at once, after a pause, or after an outage."""

    found: int
    """Number of things that were due and that the step took up. 0: the loop pauses."""
    engine_available: bool = True
    engine_asked: bool = False
    """The engine answered a request, although nothing was found."""
