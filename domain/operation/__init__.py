"""The operation: its values, its state machine, and the moves of its life."""
