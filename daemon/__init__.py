"""Builds the processes: configuration, life cycle, control sockets, roles and the command line."""
