"""Interfaces of what the services need from outside, one role per file."""
