"""Cost of many waiting clients."""
