"""Hugging Face's library `peft`, releases 0.13 and later."""

from ..library import HasHistories, Library
from .peft_library import PeftLibrary

LIBRARY: Library = PeftLibrary()
assert isinstance(LIBRARY, HasHistories)
