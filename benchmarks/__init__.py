"""Benchmarks. Each prints its figures and those of an alternative from the same run."""
