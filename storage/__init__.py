"""What is kept, and proof that it is intact: OCFL, volume, sweep, catalogue and view."""
