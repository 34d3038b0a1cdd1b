"""Rows in the ledger and executions in Temporal, as many as a measurement needs."""
