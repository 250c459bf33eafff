"""OCFL 1.1 as this product writes it, and OCFL 1.0 and 1.1 as anybody wrote it (validation)."""
