"""Hugging Face's library `peft`, releases 0.13 and later."""

from .peft_library import PeftLibrary

LIBRARY = PeftLibrary()
