"""What goes in and comes out: spec, composition, result and their words. Light: no torch, no library."""
