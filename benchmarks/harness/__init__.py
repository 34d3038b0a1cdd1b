"""Takes and shows figures: turns, load, clients, servers, tables."""
