"""The demo: the first thing that anybody runs."""

import os
import re

import pytest

from tests.support.stack.commands import Service

ANSI = "\x1b["


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_demo_prints_every_expected_outcome(demo: Service) -> None:
    """`opledger demo` without a terminal, in an empty folder: exit code 0; plain lines that show the killed worker and
    every fate, the terminated operations as FAILED TERMINATED; nothing is left running, and nothing in the folder."""
    folder = demo.output.parent
    code = await demo.ended(within=240)
    said = demo.said
    assert code == 0, said
    await demo.nobody_left()
    assert ANSI not in said
    verdict = said[said.index("close to ledger") :]
    for what, status in {
        "completes": "COMPLETED",
        "fails": r"FAILED\s+WORKFLOW_FAILED",
        "times out": r"FAILED\s+TIMED_OUT",
        "cancelled over the API": r"FAILED\s+CANCELED",
        "terminated in Temporal": r"FAILED\s+TERMINATED",
    }.items():
        assert re.search(rf"{what}\s+{status}\s.*\bok\b", verdict), verdict
    assert re.search(r"^m\d\d deploy +FAILED +TERMINATED$", said, re.MULTILINE), said
    assert re.search(r"kill -9 of the worker process \(\d+\)", said)
    assert "waits for the next reconciliation" not in said
    pushed = re.search(r"100 of 100 more, .* p99 [\d,]+ ms, longest [\d,]+ ms; (\d+) by callback\.", said)
    assert pushed, said
    assert int(pushed[1]) >= 90, said
    assert "24 of 24 operations have the expected outcome." in said
    assert "/docs)" in said
    assert "`make up`, then open the dashboard at http://127.0.0.1:8080/" in said
    assert "web page: http://127.0.0.1:" in said
    assert os.listdir(folder) == [demo.output.name]
