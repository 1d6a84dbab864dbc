"""From a difference in an output to the line where it began."""
