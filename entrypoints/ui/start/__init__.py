"""The page Start: forms made from the schemas of operation types."""
