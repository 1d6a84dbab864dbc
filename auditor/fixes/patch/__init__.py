"""Library patches: proposals as edits of source, and their diffs."""
