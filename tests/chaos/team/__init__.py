"""The worker of the team whose operations the campaign tracks."""
