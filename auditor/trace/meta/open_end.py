"""The end of a run that says nothing about the model: what comes next depends on values that meta has not."""

from __future__ import annotations


class OpenEnd(RuntimeError):
    """The text is the question that is left open. Never a failure of the model, and never repaired."""
