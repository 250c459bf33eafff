"""What is kept, and proof that it is intact: OCFL, the volume, the sweep, the catalogue, the view."""
