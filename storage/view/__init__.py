"""The holdings as a read-only file tree: its names and inodes, and the FUSE mount that shows it."""
