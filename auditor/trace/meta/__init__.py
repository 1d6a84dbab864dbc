"""Ops on the meta device, with the values that can be known."""
