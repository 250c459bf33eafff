"""The four-property checks of DA/T 70: one check in each module."""
