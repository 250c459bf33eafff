"""Re-reading every stored copy before a deadline, and saying what is damaged."""
