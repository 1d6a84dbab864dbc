"""`python -m adapter_audit.auditor.cli`."""

from . import entry

entry()
