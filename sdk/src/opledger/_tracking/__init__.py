"""Reports of one run, from within the workflow."""
