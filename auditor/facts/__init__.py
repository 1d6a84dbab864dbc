"""What rules read: the frozen facts of one audit."""
