"""The machine: all rules, all invariants, and the end that every run comes to."""

from tests.simulation.convergence import Convergence
from tests.simulation.rules import Callbacks, Clients, Loops, Outsiders, Weather, Workers


class Ledger(Clients, Loops, Workers, Callbacks, Outsiders, Weather, Convergence):
    """A model of the world around the ledger."""
