"""The catalogue: what was sent, what is kept, where the copies lie, and who did what. An index."""
