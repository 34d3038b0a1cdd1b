"""Injects the plan's faults into the running system."""
