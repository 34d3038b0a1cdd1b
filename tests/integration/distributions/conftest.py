"""The wheels of this tree."""

import pytest

from tests.support.distributions import Wheels, build


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    """Both, built once."""
    return build(tmp_path_factory.mktemp("wheels"))
