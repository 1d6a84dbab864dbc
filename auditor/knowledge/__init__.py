"""What is published about releases, as data: it explains, and never decides."""
