"""One file a check, found by existing: what it measures, and the typed evidence that it yields."""
