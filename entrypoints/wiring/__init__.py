"""Dependency-injector containers: the only importers of adapters."""
