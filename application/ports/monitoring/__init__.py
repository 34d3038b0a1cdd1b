"""Ports of what operators watch: metrics, health, drift."""
