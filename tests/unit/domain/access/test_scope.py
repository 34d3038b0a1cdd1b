"""Scopes: which credential may do what."""

import pytest

from domain.access.scope import MissingScope, Scope, check_scope


@pytest.mark.parametrize("held", sorted(set(Scope) - {Scope.ADMIN, Scope.REPORT}))
def test_only_report_and_admin_may_report(held: Scope) -> None:
    """A key of the plugin reports, and does nothing else."""
    with pytest.raises(MissingScope, match="needs the scope report"):
        check_scope({held}, Scope.REPORT)
    with pytest.raises(MissingScope):
        check_scope({Scope.REPORT}, held)
    for enough in (Scope.REPORT, Scope.ADMIN):
        check_scope({enough}, Scope.REPORT)
