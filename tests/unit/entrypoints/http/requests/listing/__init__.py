"""Tests of the list of operations: parameters and page tokens."""
