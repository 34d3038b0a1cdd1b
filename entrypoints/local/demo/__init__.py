"""`opledger demo`: runs operations on embedded parts, injects faults, and checks every outcome."""
