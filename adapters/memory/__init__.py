"""Fakes of every port, in memory: product code, held to the same contract as the real adapters.

Teams that build on opledger test against these. Nothing sleeps and nothing is random.
"""
