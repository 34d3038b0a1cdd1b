"""How figures are taken and shown: turns, load, clients, servers, tables."""
