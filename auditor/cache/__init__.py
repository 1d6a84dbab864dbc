"""Results by content: the store, and the key of an audit."""
