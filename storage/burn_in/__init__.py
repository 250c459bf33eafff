"""Proof, before custody, that a disk evicts, reports, and stays who it is."""
