"""What keeps pages up to date: their streams, and the responses of pages that have one."""
