"""PostgreSQL and Temporal from wheels, for one machine, under a supervisor of ours."""
