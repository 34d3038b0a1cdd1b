"""Records what workflows report and what Temporal says of them."""
