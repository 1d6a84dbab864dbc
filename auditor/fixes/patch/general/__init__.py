"""Patch families, one file each; every module has a `FAMILY`."""
