"""A rule, a check and a report for adapter-audit."""
