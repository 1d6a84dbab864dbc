"""Other releases of the library."""
