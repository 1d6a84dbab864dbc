"""The model with its adapters, and what its forward is given."""
