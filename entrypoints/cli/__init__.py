"""The command line: `opledger`."""
