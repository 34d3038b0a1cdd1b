"""A ledger in memory with two types."""

import importlib
from pathlib import Path

import pytest

importlib.import_module("entrypoints.testing.in_memory_ledger")  # or each run of pytest in pytest imports it again

OPERATIONS = """
[operations.deploy]
workflow = "Deploy"
task_queue = "deployers"
input_schema = { type = "object", required = ["machine"], properties = { machine = { type = "string" } } }

[operations.release]
workflow = "Release"
task_queue = "deployers"
workflow_id = "release-{input.version}"
adopt = true
input_schema = { type = "object", required = ["version"], properties = { version = { type = "integer" } } }

[operations.sweep]
workflow = "Sweep"
task_queue = "sweepers"
adopt = true
query = "TemporalScheduledById = 'nightly'"
"""


@pytest.fixture(scope="session")
def ledger_operations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kit") / "types.toml"
    path.write_text(OPERATIONS)
    return path
