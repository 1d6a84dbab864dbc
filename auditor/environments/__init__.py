"""Other releases beside the installed ones: thin folders in front of the path, made once and kept."""
