"""The AdapterHub library `adapters`, releases 0.2 and later."""

from .adapters_library import AdaptersLibrary

LIBRARY = AdaptersLibrary()
