"""The process that audits run in: garbage collection, children, workers."""
