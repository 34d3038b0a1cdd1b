"""Validates inputs by JSON Schema, with jsonschema-rs."""
