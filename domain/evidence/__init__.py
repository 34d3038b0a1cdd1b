"""What is known of an execution, and how it changes the operation."""
