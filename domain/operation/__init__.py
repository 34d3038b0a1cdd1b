"""The operation: its values, its state machine, and its changes."""
