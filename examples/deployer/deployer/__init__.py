"""A service that deploys an application to machines."""
