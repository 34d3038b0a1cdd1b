"""Tests of due times."""
