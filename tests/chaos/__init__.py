"""A seeded fault campaign on the real processes, with a verdict by a checker that shares no code with the service."""
