"""The contract of export destinations."""
