"""A user's script, run as Python runs it, and what is seen of its models on the way.

Light: a script may set the environment before it imports torch, and nothing here does so before it.
"""
