"""`opledger demo`: the main job on embedded parts, faults included, with a verdict at the end."""
