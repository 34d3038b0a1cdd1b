"""Inputs against JSON Schema, with jsonschema-rs."""
