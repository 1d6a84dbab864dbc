"""Proposals from data: the patches of `knowledge`, where release, text and run fit them."""
