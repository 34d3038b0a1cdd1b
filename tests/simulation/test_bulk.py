"""Bulk actions, randomly interleaved with single requests, and killed between any two steps (P10)."""

from tests.simulation.bulk.machine import Bulk

TestBulk = Bulk.TestCase
