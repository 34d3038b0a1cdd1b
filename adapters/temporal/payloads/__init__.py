"""Payloads, codecs and failures."""
