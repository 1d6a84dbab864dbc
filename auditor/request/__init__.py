"""From what a user names to what is audited: models, checks before anything is built."""
