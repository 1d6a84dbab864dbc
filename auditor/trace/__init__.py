"""Twin tracing: record a run as a graph of ops, align it with its references, classify the lanes."""
