"""Two sides of one set of copies, compared by digests over its partitions."""
