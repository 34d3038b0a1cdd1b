"""Adoption on fakes, randomly interleaved with everything that others do (hazard 39)."""

from tests.simulation.adoption.machine import Adoption

TestAdoption = Adoption.TestCase
