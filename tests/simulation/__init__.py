"""The whole ledger on fakes, and around it a world that does its worst, in an order that Hypothesis chooses."""
