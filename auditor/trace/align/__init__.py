"""Twins: which op of a reference is which op of the composition, and what follows from it."""
