"""The contracts of the store ports on PostgreSQL behind a transaction pooler."""

import pytest

from tests.contract.storage.operations.test_batches import BatchContract
from tests.contract.storage.operations.test_deletion import DeletionContract
from tests.contract.storage.operations.test_operation_queries import OperationQueriesContract
from tests.contract.storage.operations.test_operation_repository import OperationRepositoryContract
from tests.contract.storage.operations.test_throughput import ThroughputContract
from tests.contract.storage.operations.test_verification import VerificationContract
from tests.contract.storage.stores import ThroughPooler
from tests.contract.storage.test_change_feed import ChangeFeedContract
from tests.contract.storage.test_drift_queries import DriftQueriesContract
from tests.contract.storage.test_idempotency_keys import IdempotencyKeysContract
from tests.contract.storage.test_unit_of_work import UnitOfWorkContract

pytestmark = pytest.mark.tools


class TestBatches(ThroughPooler, BatchContract):
    """See the suite."""


class TestChangeFeed(ThroughPooler, ChangeFeedContract):
    """See the suite."""


class TestDeletion(ThroughPooler, DeletionContract):
    """See the suite."""


class TestDriftQueries(ThroughPooler, DriftQueriesContract):
    """See the suite."""


class TestIdempotencyKeys(ThroughPooler, IdempotencyKeysContract):
    """See the suite."""


class TestOperationQueries(ThroughPooler, OperationQueriesContract):
    """See the suite."""


class TestOperationRepository(ThroughPooler, OperationRepositoryContract):
    """See the suite."""


class TestThroughput(ThroughPooler, ThroughputContract):
    """See the suite."""


class TestVerification(ThroughPooler, VerificationContract):
    """See the suite."""


class TestUnitOfWork(ThroughPooler, UnitOfWorkContract):
    """See the suite."""
