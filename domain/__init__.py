"""The rules of the ledger: values, the state machine, and the effect of evidence on it. Standard library only.

"The engine" is the workflow engine, Temporal, which the domain knows only by its answers.
"""
