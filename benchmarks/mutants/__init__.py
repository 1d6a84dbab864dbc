"""Seeded defects for the adapters library, put in at run time, and the specs in which they matter."""
