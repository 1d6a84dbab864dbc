"""Rule plug-ins: one file a rule, found by walking this package and the `adapter_audit.rules` entry points."""
