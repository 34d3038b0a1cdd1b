"""The rules of the ledger: values, the state machine, and how evidence moves it. Standard library only."""
