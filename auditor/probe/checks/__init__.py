"""Value checks: one invariant each."""
