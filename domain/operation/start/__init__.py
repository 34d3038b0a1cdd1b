"""Rules of the starts of operations: their arguments, workflow ids and retries."""
