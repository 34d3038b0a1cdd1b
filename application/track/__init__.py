"""Take in what workflows report of themselves."""
