"""The whole appliance on one machine, on sample packages: `lantai demo`."""
