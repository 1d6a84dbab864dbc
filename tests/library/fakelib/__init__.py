"""An adapter library in a hundred lines, and what the auditor needs of it: the example of "Add a library"."""

from __future__ import annotations

from fakelib.backend import FakeLibrary

LIBRARY = FakeLibrary()
