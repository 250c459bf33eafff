"""Planted objects, sound and damaged, that prove the sweep's own eyes before every cycle."""
