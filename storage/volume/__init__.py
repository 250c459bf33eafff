"""A node's disk: what it holds, and the protocol by which it comes to hold it."""
