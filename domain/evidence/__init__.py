"""Evidence about an execution, and its effect on the operation."""
