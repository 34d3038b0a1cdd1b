"""Decoders of reports, which arrive as activities and over HTTP."""
