"""Reports of a comparison: one file a format, each a pure function of a `Comparison`."""
