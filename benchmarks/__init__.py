"""One file for each question, against peers, in one interleaved run (docs/performance.md)."""
