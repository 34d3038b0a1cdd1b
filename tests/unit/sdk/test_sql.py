"""Submissions in the caller's transaction, without a database."""

import pytest

from opledger import Submission
from opledger.sql import submit_statement


def test_keep_is_refused() -> None:
    """The function of the database has no such argument."""
    with pytest.raises(ValueError, match=r"keep: .*call Client\.keep"):
        submit_statement(Submission("deploy", keep=True))
