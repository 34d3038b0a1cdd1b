"""Batching, single flight, optimistic updates and the claim loop."""
