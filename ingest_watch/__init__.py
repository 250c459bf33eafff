"""A drop folder: notice, settle, claim, open, check, answer."""
