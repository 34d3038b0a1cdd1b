"""What a process asks of its system."""

import asyncio
import sys
from pathlib import Path

import pytest

resource = pytest.importorskip("resource")
ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import resource
from entrypoints import serve_api as api

def stop_here(flags):
    print(*resource.getrlimit(resource.RLIMIT_NOFILE))
    raise SystemExit

resource.setrlimit(resource.RLIMIT_NOFILE, (256, 512))
api.load_settings = stop_here
api.main({})
"""


async def test_the_api_may_have_many_connections() -> None:
    """Each is a descriptor: the soft limit, which is low for others' sake, is raised to the hard one."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert output.split() == [b"512", b"512"]
