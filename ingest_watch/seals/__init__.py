"""Signatures and timestamps over anything that a package carries, whatever its format."""
