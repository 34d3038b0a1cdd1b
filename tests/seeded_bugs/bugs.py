"""All of them."""

from tests.seeded_bugs import adoption, bulk, end, engine, identity, start, tracking
from tests.seeded_bugs.bug import Bug

BUGS: tuple[Bug, ...] = (
    *start.BUGS,
    *end.BUGS,
    *engine.BUGS,
    *tracking.BUGS,
    *identity.BUGS,
    *adoption.BUGS,
    *bulk.BUGS,
)
