"""New operation ids."""

from uuid import UUID

import uuid_utils


class RandomOperationIds:
    """UUIDs of version 7 (RFC 9562). PostgreSQL before 18 has no `uuidv7()`."""

    def new(self) -> UUID:
        return UUID(int=uuid_utils.uuid7().int)
