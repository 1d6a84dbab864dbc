"""One audit: facts are gathered, rules conclude."""
