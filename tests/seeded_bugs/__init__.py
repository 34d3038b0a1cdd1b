"""Bugs that the tests must see, each planted in a copy of the project and hunted by the simulation or a campaign."""
