"""The `lantai` command, one module for each group of verbs."""
