"""Watermark, leases of periodic work, and drift."""
