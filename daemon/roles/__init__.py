"""The six roles of DESIGN.md §3: one module each, `build(config) -> Role`."""
