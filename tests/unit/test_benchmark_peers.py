"""The comparison with other products."""

import pytest

from benchmarks.harness.measurement import Scale
from benchmarks.peers import comparison


async def test_a_peer_that_is_not_installed_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything is started."""
    monkeypatch.setattr(comparison, "find_spec", lambda name: None if name == "prefect" else object())
    with pytest.raises(SystemExit, match=r"not installed: prefect\. .*pip install -e '\.\[peers\]'"):
        await comparison.rows(Scale(1, 1.0))
