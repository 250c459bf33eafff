"""Package formats, one small interface; a format is registered in registry.py."""
