"""Dependency-injector containers."""
