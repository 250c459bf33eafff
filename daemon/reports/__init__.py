"""Reports that people file: rendered, signed and written."""
