"""Observes executions: their chain, state, close and problems."""
