"""Source files as text and syntax trees: where they lie, and how they are edited."""
