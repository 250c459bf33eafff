"""The revisions, oldest first. Each is frozen once released and imports nothing of ours."""
