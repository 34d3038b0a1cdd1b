"""The ledger in memory of the test kit `opledger[testing]`: the application without servers."""
