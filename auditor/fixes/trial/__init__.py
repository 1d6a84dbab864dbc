"""One trial: an audit of the patched library in a process that is thrown away."""
