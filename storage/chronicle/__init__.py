"""The ledger as it is told to the nodes: pages of rows, and the chain over events."""
