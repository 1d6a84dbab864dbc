"""Audits from request to result: one, through the cache, many."""
