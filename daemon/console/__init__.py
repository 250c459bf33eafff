"""The console and the read-only HTTP interface of the role `api`."""
