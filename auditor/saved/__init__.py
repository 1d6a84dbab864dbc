"""Saved adapters: read without loading them, and held against what their base model takes."""
