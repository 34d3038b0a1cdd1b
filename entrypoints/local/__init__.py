"""Everything that exists for one machine: the embedded servers and the demo."""
