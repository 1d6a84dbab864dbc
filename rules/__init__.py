"""Rules: one file each, found by walking this package and the entry points `adapter_audit.rules`."""
