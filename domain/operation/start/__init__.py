"""Rules of the starts of operations: their creation, arguments, workflow ids and retries."""
