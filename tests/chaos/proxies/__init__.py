"""Proxies between the processes, which lose, delay and double what passes."""
