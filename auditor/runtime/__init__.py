"""The process that audits run in: its collector, its children, its workers."""
