"""The operation types of the demo."""

from pathlib import Path
from typing import Final

DEMO_TYPES: Final = Path(__file__).with_name("operations.toml")
"""Declares deploy, commission and release. Their workflows run in a worker started with `--demo`."""
NOTICE: Final = "the demo's: deploy, commission, release; `opledger init` writes an operations.toml for your own"
