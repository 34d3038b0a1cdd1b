"""Fixtures of tests on the real servers."""

from datetime import timedelta

import pytest

from opledger._tracking import transport


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """More time for local reports: an attempt gets 0.15 of it, in which a busy machine does not answer."""
    monkeypatch.setattr(transport, "_BRIEF_TIMEOUT", timedelta(seconds=5))
