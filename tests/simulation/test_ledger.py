"""The whole application on fakes, randomly interleaved: P1, P2, P3, P6 after every step, P4 at the end."""

from tests.simulation.machine import Ledger

TestLedger = Ledger.TestCase
