"""Decodes payloads and failures; payload codecs."""
